"""Measures `offline.encode_files` against `predict` on arrays in memory, and writes OFFLINE.md.

    python benchmarks/offline_encode.py [--rows 1000000] [--rounds 3] [--folder FOLDER]

Encoder 784-1000-1000-8, fresh weights. Rows are made from a seed, and written below FOLDER, 8 GB
for a million of them: the same numbers as float32 and as 8-bit .npy, and as TFRecords of Examples.
Every measurement is a process of its own, and the rounds go through all of them in turn:

- predict: `keras.Model.predict` on a float32 array in memory, with the batch size of the others;
- the others: `encode_files`, from the first batch to the last shard on the disk. What the system
  keeps of the files in memory is dropped before.

CPU seconds depend less on what else the machine does than rows per second. Peak memory is that of
the process, TensorFlow included.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from report import made_with

RESULTS = Path(__file__).with_name("OFFLINE.md")
PACKAGES = ("tensorflow", "keras", "numpy")
BATCH_SIZE = 1024
CHUNK = 10_000
SHAPE = (28, 28, 1)
# The files, and what is asked of `encode_files` for them.
FILES = {
    ".npy, float32": ("float32.npy", {}),
    ".npy, 8-bit": ("uint8.npy", {"divide_by": 255.0}),
    "TFRecord, Examples of floats": ("float32.tfrecord", {}),
    "TFRecord, Examples of 8-bit bytes": ("uint8.tfrecord", {"divide_by": 255.0}),
}
TENTH = ".npy, float32, a tenth of the rows"
TENTH_RECORDS = "TFRecord, Examples of floats, a tenth of the rows"
TENTHS = {TENTH: ".npy, float32", TENTH_RECORDS: "TFRecord, Examples of floats"}


def build():
    """Returns the model."""
    from aae_tf import AAE, networks, priors

    return AAE(
        encoder=networks.mlp_encoder(SHAPE, units=(1000, 1000), seed=1),
        decoder=networks.mlp_decoder(SHAPE, code_dim=8, units=(1000, 1000), seed=2),
        prior=priors.gaussian(8, scale=5.0),
        seed=0,
    )


def chunks(rows: int) -> Iterator[np.ndarray]:
    """Makes rows, some at a time."""
    generator = np.random.default_rng(0)
    for start in range(0, rows, CHUNK):
        yield generator.integers(0, 256, (min(CHUNK, rows - start), *SHAPE), np.uint8)


def write_files(folder: Path, rows: int) -> None:
    """Writes rows in every format."""
    import tensorflow as tf

    def start_of_example(feature: tf.train.Feature, row: np.ndarray) -> bytes:
        # What precedes the numbers, which are last, and as many in every record.
        features = tf.train.Features(feature={"x": feature})
        record = tf.train.Example(features=features).SerializeToString()
        if not record.endswith(row.tobytes()):
            raise RuntimeError("Expected the numbers at the end of an Example.")
        return record[: -row.nbytes]

    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", name, (rows, *SHAPE))
        for name in ("float32", "uint8")
    }
    writers = {
        name: tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord"))
        for name in ("float32", "uint8")
    }
    pixels = next(chunks(1))[0]
    floats = pixels.astype(np.float32) / np.float32(255.0)
    starts = {
        "float32": start_of_example(
            tf.train.Feature(float_list=tf.train.FloatList(value=floats.ravel())), floats
        ),
        "uint8": start_of_example(
            tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels.tobytes()])), pixels
        ),
    }
    row = 0
    for pixels in chunks(rows):
        floats = pixels.astype(np.float32) / np.float32(255.0)
        for name, part in (("float32", floats), ("uint8", pixels)):
            arrays[name][row : row + len(part)] = part
            for numbers in part:
                writers[name].write(starts[name] + numbers.tobytes())
        row += len(pixels)
    for array in arrays.values():
        array.flush()
    for writer in writers.values():
        writer.close()


def drop_from_memory(path: Path) -> None:
    """Has the system forget what it keeps of a file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_memory(folder: Path, call: Callable) -> dict[str, float]:
    """Measures a call on an array in memory."""
    x = np.load(folder / "float32.npy")
    call(x[:BATCH_SIZE])
    start, used = time.perf_counter(), time.process_time()
    codes = call(x)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - used,
        "rows": len(codes),
    }


def from_file(folder: Path, name: str) -> dict[str, float]:
    """Measures `encode_files`."""
    from aae_tf.offline import encode_files

    file, options = FILES[name]
    drop_from_memory(folder / file)
    first: list[tuple[float, float]] = []

    def note(done: int, total: int) -> None:
        if not first:
            first.append((time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory(dir=folder) as output:
        paths = encode_files(
            folder / "models", folder / file, output, batch_size=BATCH_SIZE, on_progress=note,
            **options,
        )  # fmt: skip
        ((start, used),) = first
        figures = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - used}
        rows = sum(len(np.load(path)) for path in paths["latents"])
    return {**figures, "rows": rows}


def measure(folder: Path, name: str) -> None:
    """Prints one measurement as JSON."""
    if name == "predict":
        import keras

        model = build()
        means = model.posterior.mean(model.posterior(model.encoder.output))
        encoder = keras.Model(model.encoder.inputs, means)
        figures = in_memory(folder, lambda x: encoder.predict(x, batch_size=BATCH_SIZE, verbose=0))
    elif name in TENTHS:
        figures = from_file(folder / "tenth", TENTHS[name])
    else:
        figures = from_file(folder, name)
    # Not that of `resource`, which begins with the peak of the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({**figures, "peak": int(peak) / 1024}))


def run(folder: Path, name: str) -> dict[str, float]:
    """Measures in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--measure", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {figures}", flush=True)
    return figures


def prepare(folder: Path, rows: int) -> None:
    """Writes the model and the files."""
    from aae_tf import export

    for path, count in ((folder, rows), (folder / "tenth", rows // 10)):
        path.mkdir(exist_ok=True)
        export.export_servables(build(), path / "models", verify=False)
        write_files(path, count)


def speed(figures: dict[str, float]) -> float:
    """Returns rows per second."""
    return figures["rows"] / figures["seconds"]


def write_results(
    rows: int, rounds: list[dict[str, dict]], sizes: dict[str, float], loads: list[float]
) -> None:
    """Writes medians over rounds."""

    def median(value: Callable[[dict], float]) -> float:
        return float(np.median([value(figures) for figures in rounds]))

    lines = []
    for name in rounds[0]:
        cells = (
            f"{sizes[name]:.1f} GB" if name in sizes else "",
            f"{median(lambda f, name=name: speed(f[name])):,.0f}",
            f"{median(lambda f, name=name: speed(f[name]) / speed(f['predict'])):.0%}",
            f"{median(lambda f, name=name: 1e6 * f[name]['cpu'] / f[name]['rows']):.0f}",
            f"{median(lambda f, name=name: f[name]['peak']):,.0f} MiB",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    RESULTS.write_text(
        f"""# Encoding files

Written by `python benchmarks/offline_encode.py --rows {rows} --rounds {len(rounds)}`. {rows:,} rows
of 28 x 28 through an encoder 784-1000-1000-8, float32, in batches of {BATCH_SIZE:,}. Each
measurement is a process of its own; rounds go through all of them in turn; medians, of ratios as
well. Files are read from the disk, with nothing of them in memory. Peak memory is all of the
process's, TensorFlow included. The load of the machine over five minutes was {loads[0]:.1f} before
and {loads[1]:.1f} after.

| what | file | rows/s | of predict | CPU s per million rows | peak memory |
|---|---|---|---|---|---|
{chr(10).join(lines)}

The goal is 90% of `predict`. Absolute figures are those of one noisy machine.

{made_with(*PACKAGES)}
"""
    )


def main() -> None:
    """Runs everything and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files are written; removed at the end")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder, arguments.measure)
        return
    loads = [os.getloadavg()[1]]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        prepare(Path(folder), arguments.rows)
        sizes = {name: (Path(folder) / FILES[name][0]).stat().st_size / 1e9 for name in FILES}
        rounds = []
        for _ in range(arguments.rounds):
            rounds.append({name: run(Path(folder), name) for name in ("predict", *FILES, *TENTHS)})
            # A round takes minutes: those that are there count, should the next one not end.
            write_results(arguments.rows, rounds, sizes, [*loads, os.getloadavg()[1]])
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
