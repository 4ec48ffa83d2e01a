"""Sets what was predicted beside what was measured, in docs/gpu_step.md.

    python benchmarks/gpu/table.py RUN.json TORCH.json [--into docs/gpu_step.md]

RUN.json is run_step.py's, TORCH.json is torch_step.py's. Without --into, prints the tables. What
was predicted was written down before the first run and stays as it was.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import floor

MARKS = ("<!-- tables: begin -->", "<!-- tables: end -->")
NOTHING = "-"

# Case of run_step.py and milliseconds that a step was predicted to take.
STEPS = (
    ("alternating-tf32-100", 0.45),
    ("alternating-tf32-1000", 0.55),
    ("alternating-tf32-10000", 2.4),
    ("alternating-float32-1000", 1.3),
    ("alternating-mixed_bfloat16-100", 0.45),
    ("alternating-mixed_bfloat16-1000", 0.45),
    ("alternating-mixed_bfloat16-10000", 1.6),
    ("alternating-mixed_float16-1000", 0.6),
    ("joint-tf32-100", 0.35),
    ("joint-tf32-1000", 0.42),
    ("joint-tf32-10000", 1.8),
    ("joint-mixed_bfloat16-100", 0.35),
    ("joint-mixed_bfloat16-1000", 0.35),
    ("joint-mixed_bfloat16-10000", 1.2),
    ("alternating-tf32-100-guard", 0.49),
    ("alternating-mixed_bfloat16-1000-guard", 0.49),
)
# The same of torch_step.py, by mode.
PEERS = (
    ("alternating-tf32-100", {"eager": 2.0, "graph": 0.45, "compile": 1.2, "compile-graph": 0.38}),
    ("alternating-tf32-1000", {"eager": 2.0, "graph": 0.6}),
    ("alternating-tf32-10000", {"eager": 2.8, "graph": 2.7}),
    ("alternating-bfloat16-100", {"eager": 2.8, "graph": 0.6}),
    (
        "alternating-bfloat16-1000",
        {"eager": 2.8, "graph": 0.6, "compile": 1.3, "compile-graph": 0.42},
    ),
    (
        "alternating-bfloat16-10000",
        {"eager": 2.9, "graph": 2.3, "compile": 1.7, "compile-graph": 1.6},
    ),
    ("joint-tf32-100", {"eager": 1.5, "graph": 0.35}),
    ("joint-tf32-1000", {"eager": 1.5, "graph": 0.45}),
    ("joint-bfloat16-100", {"eager": 2.1, "graph": 0.45}),
    ("joint-bfloat16-1000", {"eager": 2.1, "graph": 0.45}),
)
MODES = ("eager", "compile", "graph", "compile-graph")
# Exported functions: milliseconds of a call on the device, with copies, relative difference.
SERVING = (
    ("encode-float32-1", (0.04, 0.12, 1e-6)),
    ("encode-float32-100", (0.04, 0.2, 1e-6)),
    ("encode-float32-1000", (0.12, 0.8, 1e-6)),
    ("encode-float32-10000", (0.8, 6.0, 1e-6)),
    ("encode-tf32-1", (0.04, 0.12, 5e-4)),
    ("encode-tf32-100", (0.04, 0.2, 5e-4)),
    ("encode-tf32-1000", (0.05, 0.7, 5e-4)),
    ("encode-tf32-10000", (0.2, 5.5, 5e-4)),
    ("decode-tf32-1", (0.04, 0.12, 5e-4)),
    ("decode-tf32-100", (0.04, 0.2, 5e-4)),
    ("decode-tf32-1000", (0.05, 0.7, 5e-4)),
    ("decode-tf32-10000", (0.2, 8.0, 5e-4)),
    ("sample-tf32-1", (0.05, 0.13, 5e-4)),
    ("sample-tf32-100", (0.05, 0.2, 5e-4)),
    ("sample-tf32-1000", (0.06, 0.7, 5e-4)),
    ("sample-tf32-10000", (0.22, 8.0, 5e-4)),
)
MACHINE = (
    ("bfloat16 products, TFLOP/s", "bfloat16 products, FLOP/s", 750.0, 1e-12),
    ("float16 products, TFLOP/s", "float16 products, FLOP/s", 750.0, 1e-12),
    ("TF32 products, TFLOP/s", "tf32 products, FLOP/s", 400.0, 1e-12),
    ("float32 products, TFLOP/s", "float32 products, FLOP/s", 50.0, 1e-12),
    ("copy, read and written, TB/s", "copy, read and written, byte/s", 3.0, 1e-12),
    ("starting a kernel, us", "starting a kernel, s", 4.0, 1e6),
    ("a kernel in a CUDA graph, us", "kernel in a CUDA graph, s", 1.5, 1e6),
)

Figures = dict[str, Any]


def machine_rows(peers: Figures) -> Iterator[tuple[str, ...]]:
    """Gives the rates of the card."""
    yield "the card", "predicted", "measured"
    for label, key, predicted, unit in MACHINE:
        yield label, f"{predicted:g}", _number(peers["machine"].get(key), unit)


def step_rows(run: Figures, peers: Figures) -> Iterator[tuple[str, ...]]:
    """Gives our steps: predicted, measured, and how far from the floor."""
    yield (
        "step of aae_tf",
        "predicted, ms",
        "one call each, ms",
        "in a loop, ms",
        "floor, ms",
        "times the floor",
        "kernels",
        "to compile, s",
        "memory, MB",
        "largest difference of a loss",
    )
    for name, predicted in STEPS:
        case = run["cases"].get(name, {})
        looped = case.get("step in a loop on the device, s")
        step = _median(case.get("step, s"))
        best = min((t for t in (step, _median(looped)) if t is not None), default=None)
        lowest = _floor(name, peers)
        losses = [each["relative"] or 0.0 for each in case.get("difference", {}).values()]
        counts = case.get("instructions", {})
        yield (
            _label(name, case),
            f"{predicted:g}",
            _number(step, 1e3),
            _number(_median(looped), 1e3),
            _number(lowest, 1e3),
            _number(best / lowest if best and lowest else None),
            str(counts["fusion"] + counts["custom-call"]) if counts else NOTHING,
            _number(case.get("compile, s")),
            _number(case.get("memory, bytes"), 1e-6),
            f"{max(losses):.1e}" if losses else NOTHING,
        )


def peer_rows(peers: Figures) -> Iterator[tuple[str, ...]]:
    """Gives PyTorch's steps, predicted and measured."""
    yield ("step of PyTorch, predicted / measured, ms", *MODES)
    for name, predicted in PEERS:
        cells = []
        for mode in MODES:
            case = peers["cases"].get(f"{name}-{mode}", {})
            measured = _number(_median(case.get("step, s")), 1e3)
            cells.append(f"{predicted[mode]:g} / {measured}" if mode in predicted else "")
        yield (_label(name, {}), *cells)


def serving_rows(run: Figures) -> Iterator[tuple[str, ...]]:
    """Gives calls of exported functions, and how far they are from the processor's numbers."""
    yield (
        "exported function, predicted / measured",
        "call, ms",
        "with copies, ms",
        "relative difference to the processor",
        "largest between batches",
        "largest in another order",
    )
    for name, (call, copied, relative) in SERVING:
        case = run["cases"].get(name, {})
        with_copies = _median(case.get("call with copies from and to the host, s"))
        others = case.get("difference to other batches", {})
        yield (
            _label(name, case),
            f"{call:g} / {_number(_median(case.get('call, s')), 1e3)}",
            f"{copied:g} / {_number(with_copies, 1e3)}",
            f"{relative:.0e} / {_by_output(case.get('difference', {}), 'relative')}",
            "; ".join(f"{batch}: {_by_output(each, 'largest')}" for batch, each in others.items())
            or NOTHING,
            _by_output(case.get("difference in another order", {}), "largest"),
        )


def _by_output(differences: Figures, measure: str) -> str:
    parts = [f"{name} {each[measure] or 0.0:.1e}" for name, each in differences.items()]
    return ", ".join(parts) or NOTHING


def _label(name: str, case: Figures) -> str:
    note = " (failed)" if "error" in case else " (left out)" if "left out" in case else ""
    return name.replace("mixed_", "").replace("-", ", ") + note


def _floor(name: str, peers: Figures) -> float | None:
    schedule, precision, batch = name.split("-")[:3]
    machine = peers["machine"]
    rate = machine.get(f"{precision.removeprefix('mixed_')} products, FLOP/s")
    bandwidth = machine.get("copy, read and written, byte/s")
    if rate is None or bandwidth is None:
        return None
    return floor.seconds(floor.count(schedule, int(batch), precision), rate, bandwidth)


def _median(times: Figures | None) -> float | None:
    return None if times is None else times["median"]


def _number(value: float | None, unit: float = 1.0) -> str:
    return NOTHING if value is None else f"{value * unit:.3g}"


def markdown(rows: Iterator[tuple[str, ...]]) -> str:
    """Formats rows as a Markdown table; the first is the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *body])


def main() -> None:
    """Writes all tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("torch", type=Path)
    parser.add_argument("--into", type=Path, help="page to write between its two marks")
    arguments = parser.parse_args()
    run, peers = (json.loads(path.read_text()) for path in (arguments.run, arguments.torch))
    versions = f"JAX {run['jax']}, PyTorch {peers['torch']}, on {run['device']}."
    tables = (machine_rows(peers), step_rows(run, peers), peer_rows(peers), serving_rows(run))
    text = "\n\n".join([versions, *map(markdown, tables)])
    if arguments.into is None:
        print(text)
        return
    before, _, rest = arguments.into.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    arguments.into.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
