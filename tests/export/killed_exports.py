"""Exports that are killed, in processes of their own; `test_export_servables.py` runs this file.

The real `export_servables` runs, but what it writes is copied from an export made before, so that
nearly every moment is one of renaming, writing to the disk, and removing.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.forks import in_child

# The function of the same name hides the module as an attribute.
exporting = importlib.import_module("aae_tf.export.export_servables")
NAMES = ("encoder", "decoder")
STEPS = ("fsync", "mkdir", "rename", "rmdir", "unlink")


def fake_the_writing(ready: Path) -> None:
    """Replaces what needs a model and seconds."""

    def write(staging, model, signatures, options, name):
        shutil.copytree(ready / name, staging, dirs_exist_ok=True)
        card = json.loads((staging / "MODEL_CARD.json").read_text())
        (staging / "MODEL_CARD.json").write_text(json.dumps({**card, "export": options.export}))

    exporting.write_servable = write
    exporting._servable_signatures = lambda model, combined: {"decoder": {}, "encoder": {}}
    # A killed process loses nothing that it has written; only a power failure does.
    os.fsync = lambda descriptor: None


def kill_at_step(step: int) -> None:
    """Has this process kill itself just before a call that changes the disk.

    Every renaming is a step, and every fourth of the other calls, which are many and alike.
    """
    calls, steps = 0, 0

    def counted(name):
        call = getattr(os, name)

        def wrapper(*args, **kwargs):
            nonlocal calls, steps
            calls += 1
            if name == "rename" or calls % 4 == 0:
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1
            return call(*args, **kwargs)

        return wrapper

    for name in STEPS:
        setattr(os, name, counted(name))


def export(root: Path) -> None:
    exporting.export_servables(None, root, keep=2)


def versions(root: Path) -> dict[str, set[str]]:
    return {
        name: {path.name for path in (root / name).iterdir() if path.name.isdecimal()}
        for name in NAMES
    }


def check(root: Path) -> None:
    """Checks what a server would see."""
    found = versions(root)
    for name in NAMES:
        for version in found[name]:
            exporting_card.verify_files(root / name / version)
    assert found["encoder"] <= found["decoder"], found


def check_after_the_next(root: Path) -> None:
    """Checks that the next export puts all in order."""
    assert os.waitpid(in_child(lambda: export(root)), 0)[1] == 0
    check(root)
    found = versions(root)
    assert found["encoder"] == found["decoder"] and len(found["decoder"]) == 2, found
    for name in NAMES:
        assert {path.name for path in (root / name).iterdir()} == found[name]


def kill_at_every_step(base: Path, work: Path) -> dict[str, int]:
    """Kills an export at one step after the other until one is through."""
    counts = {"kills": 0, "finished_by_the_next": 0}
    while True:
        root = shutil.copytree(base, work / str(counts["kills"]))

        def killed(root: Path = root) -> None:
            kill_at_step(counts["kills"])
            export(root)

        status = os.waitpid(in_child(killed), 0)[1]
        check(root)
        before = versions(root)
        check_after_the_next(root)
        if status == 0:
            return counts
        assert os.WTERMSIG(status) == signal.SIGKILL
        counts["kills"] += 1
        newest = max(before["decoder"], key=int)
        if newest not in before["encoder"]:
            assert newest in versions(root)["encoder"]
            counts["finished_by_the_next"] += 1
        shutil.rmtree(root)


def kill_at_random(base: Path, work: Path, snapshots: Path) -> None:
    """Kills processes that export again and again, and keeps what each leaves."""
    chance = random.Random(0)
    root = shutil.copytree(base, work / "random")

    def again_and_again() -> None:
        while True:
            export(root)

    for kill in range(10):
        child = in_child(again_and_again)
        time.sleep(chance.uniform(0.02, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        check(root)
        shutil.copytree(root, snapshots / str(kill))
    check_after_the_next(root)


if __name__ == "__main__":
    exporting_card = importlib.import_module("aae_tf.export.model_card")
    ready, base, work, snapshots = map(Path, sys.argv[1:])
    fake_the_writing(ready)
    counts = kill_at_every_step(base, work)
    kill_at_random(base, work, snapshots)
    print(json.dumps(counts))
