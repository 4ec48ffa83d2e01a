"""Runs every benchmark of speed and memory, and writes benchmarks/RESULTS.md.

python benchmarks/speed.py --peers .venv-peers/bin/python [--rounds 7] [--steps 100] [--out FILE]
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from report import TRAINING, add_measuring_options, machine, versions

HERE = Path(__file__).parent
IMAGES = HERE / "images"
CLOCKS = {
    "seconds": "those of the wall clock",
    "processor_seconds": "of the processor, since the machine had other work",
}
PEERS = ("torch", "pythae", "numpy")


def peer_versions(python: str) -> str:
    """Lists versions of the peers' environment."""
    program = f"from report import versions; print(versions(*{PEERS!r}))"
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    return subprocess.run(
        [python, "-c", program], env=environment, capture_output=True, check=True, text=True
    ).stdout.strip()


def run(script: str, *options: str) -> tuple[str, str]:
    """Runs a benchmark; returns what it printed, and a line that says how to run it alone."""
    start, load = time.perf_counter(), os.getloadavg()[0]
    command = [sys.executable, str(HERE / script), *options]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    minutes = (time.perf_counter() - start) / 60
    shown = " ".join(["benchmarks/" + script, *options])
    line = (
        f"- `python {shown}`: {minutes:.1f} minutes, {load:.1f} processes wanted the machine before"
    )
    print(printed, line, sep="\n", flush=True)
    return printed.strip(), line


def main() -> None:
    """Runs everything and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, help="interpreter of the peers' environment")
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--steps", type=int, default=100, help="of a round at batch 100")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    common = ["--rounds", str(arguments.rounds), "--threads", str(arguments.threads)]
    common += ["--processor-time"] if arguments.clock == "processor_seconds" else []
    beside = ["--peers", arguments.peers, *common, "--steps", str(arguments.steps)]
    peers = peer_versions(arguments.peers)
    sections, lines = zip(
        run("compare.py", *beside, "--plot", os.path.relpath(IMAGES / "steps.png")),
        run("step_floor.py", *beside),
        run("encode_rate.py", *common),
        run("import_time.py", *common),
        run("growth.py", *common, "--plot", os.path.relpath(IMAGES / "growth.png")),
        strict=True,
    )
    text = "\n\n".join(sections)
    commands = "\n".join(lines)
    arguments.out.write_text(
        f"""# Speed and memory beside PyTorch and pythae

Written by `make benchmark`, which runs `benchmarks/speed.py`; `make benchmark` also writes
[FIRST_LIGHT.md](FIRST_LIGHT.md). Figures of one run on {machine()}; number of
threads everywhere: {arguments.threads}. Times are {CLOCKS[arguments.clock]}. Rounds of all ways in
turn; a ratio is the median of the ratios of rounds.

Ours: {versions(*TRAINING)}.
Peers: {peers}.

{text}

![Times of a step, all rounds](images/steps.png)

![Growth](images/growth.png)

## Commands

{commands}
"""
    )


if __name__ == "__main__":
    main()
