"""Trains in this process: python train_once.py SETTINGS FOLDER; prints a line for each row.

The environment variable TAPEHEAD_TEST_STOP names a number of sequences after which the process
sends itself SIGTERM.
"""

import json
import os
import signal
import sys

import stand_ins

from tapehead.errors import TapeheadError
from tapehead.training import LineReporter, TrainConfig, train


class Listener(LineReporter):
    def reported(self, row):
        super().reported(row)
        if row["sequences"] == int(os.environ.get("TAPEHEAD_TEST_STOP", -1)):
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    stand_ins.install()
    config = TrainConfig.from_dict(json.loads(sys.argv[1]))
    try:
        train(config, sys.argv[2], resume=True, reporter=Listener())
    except TapeheadError as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
