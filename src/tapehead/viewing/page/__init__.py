"""The page of a run: one HTML file that opens by double click, off line, and shows every step."""
