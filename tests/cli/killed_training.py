"""Trains by one command that is killed again and again, and started again, until it is done.

Run as a script, so that TensorFlow is imported once: each start of the command is a fork of a
process that has imported everything and computed nothing.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import keras

from aae_tf.cli import main, training
from aae_tf.cli.backup import newest_backup


class _Signal(keras.callbacks.Callback):
    """Tells the parent when the first step of a process is done: it has compiled everything."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_train_batch_end(self, batch, logs=None):
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


def _start(arguments):
    """Starts the command; returns its process and when its first step was done."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        callbacks = training._callbacks
        training._callbacks = lambda *args: [*callbacks(*args), _Signal(write)]
        sys.argv = ["aae-tf", "train", *arguments]
        try:
            main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(1)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return process, time.monotonic()


def _wait(process):
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code:
        sys.exit(f"The training ended with code {code}.")


def run(folder, kills, seed, arguments):
    """Trains once without and once with kills; prints when they came."""
    process, started = _start([*arguments, "--out", str(folder / "whole")])
    _wait(process)
    seconds = time.monotonic() - started
    rng = random.Random(seed)
    moments = []
    for _ in range(kills):
        process, started = _start([*arguments, "--out", str(folder / "killed")])
        # All of them together take about half of the training.
        time.sleep(rng.uniform(0, seconds / kills))
        os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit("The training was done before it was killed.")
        backup = newest_backup(folder / "killed.partial" / "backups")
        moments.append([round(time.monotonic() - started, 3), backup and backup.name])
    process, _ = _start([*arguments, "--out", str(folder / "killed")])
    _wait(process)
    print(json.dumps({"seconds": seconds, "moments": moments}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
