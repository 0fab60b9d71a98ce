"""A small Underground: three stations where lines meet, and some where none do."""

import csv


def write_tables(folder):
    tables = {
        "stations": [
            ("id", "latitude", "longitude", "name", "zone"),
            (1, 51.5, -0.20, "West", 1),
            (2, 51.5, -0.15, "Between", 1),
            (3, 51.5, -0.10, "Middle", 1),
            (4, 51.5, -0.05, "East", 1.5),
            (5, 51.6, -0.10, "North", 1),
            (6, 51.9, -0.10, "Far", 3),
        ],
        "lines": [("line", "name"), (7, "Red"), (8, "Blue")],
        "connections": [
            ("station1", "station2", "line", "time"),
            (1, 2, 7, 1),
            (2, 3, 7, 1),
            (3, 4, 7, 1),
            (1, 5, 8, 1),
            (5, 3, 8, 1),
            (5, 6, 8, 1),
            (4, 5, 8, 1),
            (4, 6, 7, 1),
        ],
    }
    for name, rows in tables.items():
        with (folder / f"london.{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
