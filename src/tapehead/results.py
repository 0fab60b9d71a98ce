"""Results of published experiments as rows, for tables and plots of one's own."""

from pathlib import Path

from tapehead.errors import TapeheadError
from tapehead.recipes.results import FIELDS, Row, cells_at, rows_of

__all__ = ["FIELDS", "Row", "load"]


def load(folder: Path | str | None = None) -> list[Row]:
    """A flat row for each seed of each result, all with the names in `FIELDS`: made for
    `pandas.DataFrame(load())`.

    Args:
        folder: with `result.json` files in it or below; None takes `results` of the current folder,
            or the results that come with tapehead.

    Raises:
        TapeheadError: there is no such folder, or a result.json in it is damaged.

    >>> from statistics import median
    >>> import tapehead.results
    >>> rows = tapehead.results.load()
    >>> copy = [row for row in rows if row["experiment"] == "ntm/copy" and row["test"] == "20"]
    >>> wrong = [r["value"] for r in copy if (r["machine"], r["setting"]) == ("ntm-lstm", "fast")]
    >>> len(wrong), median(wrong) < 0.001  # seeds, and bits of 20 vectors in doubt
    (5, True)
    """
    if folder is not None and not Path(folder).is_dir():
        raise TapeheadError(f"there is no folder {folder} with results")
    return rows_of(cells_at(None if folder is None else Path(folder)))
