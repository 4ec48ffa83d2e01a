"""Trains by one command that is killed at given moments, and started again, until it is done.

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

from aae_tf.cli import main
from aae_tf.runs import backup, training

# After a step; before a backup gets its name; when the backup before it is still there; and within
# 50 ms of a step, wherever the process is then.
KINDS = ("step", "staging", "two_backups", "anywhere")


class _CountSteps(keras.callbacks.Callback):
    """Calls a function when a process has finished a number of steps."""

    def __init__(self, steps, act):
        super().__init__()
        self.steps, self.act = steps, act

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            self.act()


def _kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def _arrange(kind, count, pipe):
    """Arranges that this process is killed, at its `count`-th step or backup."""
    if kind in ("step", "anywhere"):
        act = _kill_self if kind == "step" else (lambda: os.write(pipe, b"."))
        callbacks = training._callbacks
        training._callbacks = lambda *args: [*callbacks(*args), _CountSteps(count, act)]
        return
    rename = backup.rename_and_sync
    calls = []

    def rename_and_kill(*args):
        calls.append(args)
        if len(calls) == count and kind == "staging":
            _kill_self()
        rename(*args)
        if len(calls) == count and kind == "two_backups":
            _kill_self()

    backup.rename_and_sync = rename_and_kill


def _run(arguments, kill=None, delay=0.0):
    """Runs the command in a fork, with a moment `(kind, count)` to be killed at; gives its code."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if kill is not None:
            _arrange(*kill, write)
        sys.argv = ["aae-tf", "train", *arguments]
        try:
            main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(1)
    os.close(write)
    # Empty where the process has ended without a word.
    if os.read(read, 1):
        time.sleep(delay)
        os.kill(process, signal.SIGKILL)
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(folder, kills, arguments):
    """Trains once without and once with kills; prints each code and last backup."""
    rng = random.Random(0)
    codes = [_run([*arguments, "--out", str(folder / "whole")])]
    backups = []
    for kill in [*kills, None]:
        delay = rng.uniform(0.0, 0.05)
        codes.append(_run([*arguments, "--out", str(folder / "killed")], kill, delay))
        newest = backup.newest_backup(folder / "killed.partial" / "backups")
        backups.append(newest and newest.name)
    print(json.dumps({"codes": codes, "backups": backups}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
