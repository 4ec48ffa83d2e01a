"""Jobs that are killed, in processes of their own; `test_encode_files.py` runs this file.

The real `encode_files` runs, but its encoder is NumPy, so that a job takes a moment.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

from aae_tf.offline.shards import Output, ShardWriter
from tests.forks import in_child

# The function of the same name hides the module as an attribute.
encoding = sys.modules["aae_tf.offline.encode_files"]
ROWS = np.random.default_rng(0).random((100, 4), np.float32)
SHARDS = 3


class Encoder:
    """Two arrays that NumPy knows."""

    row_shape = (4,)
    outputs = {"latents": Output("float32", (2,)), "sum": Output("float64", ())}
    identity = {"class": "Encoder", "sha256": "0" * 64}

    def __init__(self, pause: float) -> None:
        self.pause = pause

    def run(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.pause)
        return {"latents": rows[:, :2] * 2, "sum": rows.sum(axis=1, dtype=np.float64)}


def encode(folder: Path, out: Path, pause: float = 0.0) -> None:
    encoding.open_encoder = lambda model, signature: contextlib.nullcontext(Encoder(pause))
    files = [folder / "a.npy", folder / "b.npy"]
    encoding.encode_files("model", files, out, shards=SHARDS, batch_size=10)


def kill_at_step(step: int, counts: dict[str, int]) -> None:
    """Has this process kill itself just before a call that changes what is on the disk."""
    steps = 0

    def counted(owner: object, name: str) -> None:
        call = getattr(owner, name)

        def wrapper(*args, **kwargs):
            nonlocal steps
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1
            counts["renames"] += name in ("rename", "replace")
            return call(*args, **kwargs)

        setattr(owner, name, wrapper)

    counted(os, "fsync")
    counted(os, "rename")
    counted(os, "replace")
    counted(os, "mkdir")
    counted(ShardWriter, "write")


def shards(out: Path) -> dict[Path, tuple[int, int]]:
    """Checks each file that has a shard's name; gives what shows whether it is made anew."""
    found = {}
    expected = Encoder(0.0).run(ROWS)
    for path in sorted(out.glob("*.npy")) if out.exists() else ():
        name, index = path.name.split("-")[:2]
        start, stop = (len(ROWS) * (int(index) + i) // SHARDS for i in (0, 1))
        np.testing.assert_array_equal(np.load(path), expected[name][start:stop])
        found[path] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def check_after_the_next(folder: Path, out: Path, oracle: dict[str, bytes]) -> int:
    """Checks that the next job keeps what is whole and finishes; gives how many it kept."""
    before = shards(out)
    others = {"latents": "sum", "sum": "latents"}
    whole = {
        path
        for path in before
        for name, _, rest in [path.name.partition("-")]
        if out / f"{others[name]}-{rest}" in before
    }
    encode(folder, out)
    after = shards(out)
    assert {path: before[path] for path in whole} == {path: after[path] for path in whole}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == oracle
    return len(whole) // 2


def kill_at_every_step(folder: Path, oracle: dict[str, bytes]) -> dict[str, int]:
    """Kills a job at one step after the other until one is through."""
    counts = {"kills": 0, "kept_shards": 0, "renames": 0}
    out = folder / "out"
    while True:

        def killed() -> None:
            steps = {"renames": 0}
            kill_at_step(counts["kills"], steps)
            encode(folder, out)
            (folder / "renames").write_text(str(steps["renames"]))

        status = os.waitpid(in_child(killed), 0)[1]
        counts["kept_shards"] += check_after_the_next(folder, out, oracle)
        shutil.rmtree(out)
        if status == 0:
            counts["renames"] = int((folder / "renames").read_text())
            return counts
        assert os.WTERMSIG(status) == signal.SIGKILL
        counts["kills"] += 1


def kill_at_random(folder: Path, oracle: dict[str, bytes]) -> None:
    """Kills jobs from outside, some of them several times."""
    chance = random.Random(0)
    for _ in range(5):
        out = folder / "out"
        for _ in range(3):
            child = in_child(lambda out=out: encode(folder, out, pause=0.01))
            time.sleep(chance.uniform(0.0, 0.1))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            shards(out)
        check_after_the_next(folder, out, oracle)
        shutil.rmtree(out)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    # A killed process loses nothing that it has written; only a power failure does.
    os.fsync = lambda descriptor: None
    np.save(folder / "a.npy", ROWS[:55])
    np.save(folder / "b.npy", ROWS[55:])
    encode(folder, folder / "oracle")
    oracle = {path.name: path.read_bytes() for path in (folder / "oracle").iterdir()}
    counts = kill_at_every_step(folder, oracle)
    kill_at_random(folder, oracle)
    print(json.dumps(counts))
