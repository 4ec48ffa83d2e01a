"""Memory of the process, which a long file must not raise."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

SCRIPT = """
import re, sys
from pathlib import Path
from aae_tf.offline import encode_files

def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", status)[0]) / 1024

model, short, long, output = sys.argv[1:]
encode_files(model, short, f"{output}/short", batch_size=256)
before = peak()
encode_files(model, long, f"{output}/long", batch_size=256)
print(peak() - before)
"""
ROWS = 40_000


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["npy", "tfrecord"])
def test_is_the_same_for_many_rows(make_aae, tmp_path, kind):
    make_aae().export(tmp_path / "model", verbose=False)
    x = np.random.default_rng(0).random((ROWS, 8, 8, 1), np.float32)
    for name, rows in (("short", x[:2000]), ("long", np.concatenate([x] * 12))):
        if kind == "npy":
            np.save(tmp_path / f"{name}.npy", rows)
        else:
            with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
                for row in rows:
                    writer.write(row.tobytes())
    paths = [tmp_path / f"{name}.{kind}" for name in ("short", "long")]
    assert paths[1].stat().st_size > 120e6
    command = [sys.executable, "-c", SCRIPT, tmp_path / "model", *paths, tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    # A batch is 64 KiB; what TensorFlow and the allocator keep varies by some MiB.
    assert float(done.stdout) < 24.0
