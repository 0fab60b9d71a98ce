"""Trains in a child that is killed at a random moment, and again, until one gets to the end.

    python train_and_die.py SETTINGS FOLDER KILLS

A fork of this process is there at once, where a fresh one would import for seconds.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import stand_ins

from tapehead.training import TrainConfig, train


def child(config: TrainConfig, folder: Path) -> None:
    try:
        train(config, folder, resume=True)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)


def main() -> int:
    config, folder = TrainConfig.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2])
    stand_ins.install()
    moments = random.Random(0)
    killed = 0
    while True:
        pid = os.fork()
        if pid == 0:
            child(config, folder)
        if killed < int(sys.argv[3]):
            time.sleep(moments.uniform(0.0, 0.3))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSIGNALED(status):
            print(f"ended after {killed} kills")
            return os.WEXITSTATUS(status)
        killed += 1


if __name__ == "__main__":
    sys.exit(main())
