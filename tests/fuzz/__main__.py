"""Fuzz campaigns: machines, tasks and commands, given what nobody should give.

    python -m tests.fuzz                                    # some of each campaign
    python -m tests.fuzz inputs options --count 20000 --seed 2
    python -m tests.fuzz inputs --seed 2 --first 4711 --count 1 --here     # one case again

Each case must work and be right, or be refused in one clear line. Prints a table of counts, and
every case that ended otherwise; exit code 1 if there are any.
"""

import argparse
import atexit
import importlib
import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from harness import complaint
from worker import Tally, bound_memory, draw_of, endings, work

CAMPAIGNS = {
    "constructors": 1000,
    "inputs": 1000,
    "differential": 100,
    "options": 100,
    "runs": 200,
}
"""Campaigns, and how many cases of each are tried where nobody says."""


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("campaigns", nargs="*", help=f"of {', '.join(CAMPAIGNS)}; none: all")
    parser.add_argument("--count", type=int, help="cases of each campaign")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0, help="decides the cases")
    parser.add_argument("--patience", type=float, default=300, help="seconds that a case may take")
    parser.add_argument("--here", action="store_true", help="in this process, with a traceback")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.campaigns:
        if name not in CAMPAIGNS:
            parser.error(f"no campaign {name}; there are {', '.join(CAMPAIGNS)}")
    names = options.campaigns or list(CAMPAIGNS)
    if options.worker is not None:
        bound_memory()
        campaign = importlib.import_module(names[0]).case
        work(names[0], campaign, options.seed, options.first, options.count, options.worker)
        atexit._run_exitfuncs()  # which the end of a worker, below, would leave out
        return 0
    if options.here:
        return again(names[0], options.seed, options.first, options.count or 1)
    tally = Tally()
    for name in names:
        count = options.count or CAMPAIGNS[name]
        for ending in endings(name, options.seed, options.first, count, options.patience):
            tally.add(ending)
            if ending.wrong is not None:
                print(f"{name} {ending.number} {ending.ending}: {ending.label}: {ending.wrong}")
                sys.stdout.flush()
    print(tally.table())
    return 1 if tally.failures else 0


def again(name: str, seed: int, first: int, count: int) -> int:
    """Cases once more, where a debugger can see them."""
    campaign = importlib.import_module(name).case
    for number in itertools.islice(itertools.count(first), count):
        case = campaign(draw_of(name, seed, number))
        print(number, case.label, case.values, *complaint(case), sep="\n  ", flush=True)
        case = campaign(draw_of(name, seed, number))
        print("ended with", case.call())
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code) if "--worker" in sys.argv else sys.exit(code)
