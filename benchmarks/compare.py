"""Measures aae_tf beside PyTorch and pythae: the same networks, batch, optimizer and updates.

    python benchmarks/compare.py --peers .venv-peers/bin/python [--rounds 7] [--steps 100]

784-1000-1000-8 and back, discriminator 8-1000-1000-1, Adam 1e-3. Each way is a process of its own
that stays alive; one is asked at a time, for one epoch. Prints Markdown.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from interleave import Measured, interleave
from matplotlib.figure import Figure
from report import add_measuring_options, table, verdict

OURS, TORCH, PYTHAE = "aae_worker.py", "torch_worker.py", "pythae_worker.py"
JOINT, MMD, LARGE = ("--schedule", "joint"), ("--divergence", "mmd"), ("--batch", "1000")
BFLOAT16 = (*LARGE, "--bfloat16")
NOISE = ("--noise", "0.3")
OUR_WAY, EAGER = "aae_tf", "torch eager"


class Comparison(NamedTuple):
    """Ways that are measured together.

    Attributes:
        title: of the section.
        ways: script and arguments, by the name of the way.
        ratios: the slower, the faster, how many times as fast the latter is to be, or None.
        batch: rows of a batch.
    """

    title: str
    ways: dict[str, tuple[str, ...]]
    ratios: tuple[tuple[str, str, float | None], ...]
    batch: int = 100


COMPARISONS = {
    "alternating": Comparison(
        "Schedule alternating, float32, batch 100",
        {
            OUR_WAY: (OURS,),
            "aae_tf, fit on arrays": (OURS, "--arrays"),
            "aae_tf, guard=False": (OURS, "--no-guard"),
            "aae_tf, XLA": (OURS, "--jit"),
            "aae_tf, MMD": (OURS, *MMD),
            EAGER: (TORCH,),
            "torch.compile": (TORCH, "--compile", "default"),
            "torch.compile, max-autotune": (TORCH, "--compile", "max-autotune"),
        },
        (
            (EAGER, OUR_WAY, 1.7),
            ("torch.compile", "aae_tf", 1.5),
            ("torch.compile, max-autotune", "aae_tf", 1.5),
            ("aae_tf", "aae_tf, MMD", 1.5),
            ("aae_tf, fit on arrays", "aae_tf", None),
            ("aae_tf", "aae_tf, guard=False", None),
        ),
    ),
    "joint": Comparison(
        "Schedule joint, float32, batch 100",
        {
            OUR_WAY: (OURS, *JOINT),
            "aae_tf, MMD": (OURS, *JOINT, *MMD),
            "pythae": (PYTHAE,),
            "pythae, fused Adam": (PYTHAE, "--fused"),
            EAGER: (TORCH, *JOINT),
        },
        (
            ("pythae", "aae_tf", 2.0),
            ("pythae, fused Adam", "aae_tf", 2.0),
            (EAGER, OUR_WAY, None),
            ("aae_tf", "aae_tf, MMD", 1.5),
        ),
    ),
    "bfloat16": Comparison(
        "Schedule alternating, bfloat16, batch 1,000",
        {
            OUR_WAY: (OURS, *BFLOAT16),
            "aae_tf, XLA": (OURS, *BFLOAT16, "--jit"),
            "aae_tf, float32": (OURS, *LARGE),
            EAGER: (TORCH, *BFLOAT16),
            "torch.compile": (TORCH, *BFLOAT16, "--compile", "default"),
            "torch.compile, max-autotune": (TORCH, *BFLOAT16, "--compile", "max-autotune"),
        },
        (
            ("torch.compile", "aae_tf", 1.2),
            ("torch.compile, max-autotune", "aae_tf", 1.2),
            (EAGER, OUR_WAY, None),
            ("aae_tf, float32", "aae_tf", None),
        ),
        batch=1000,
    ),
}


def measure(
    ways: dict[str, tuple[str, ...]], arguments: argparse.Namespace, batch: int = 100
) -> tuple[Measured, int]:
    """Makes the rounds of some ways; returns them, and the steps of a round."""
    steps = max(arguments.steps * 100 // batch, 2)
    common = ["--steps", str(steps), "--threads", str(arguments.threads)]
    commands, asked = {}, {}
    for name, (script, *rest) in ways.items():
        python = sys.executable if script == OURS else arguments.peers
        commands[name] = [python, script, *rest, *common]
        if "--ways" in rest:
            asked[name] = rest[rest.index("--ways") + 1 :]
    return interleave(commands, arguments.rounds, asked, arguments.clock), steps


def training_tables(comparison: Comparison, measured: Measured, steps: int) -> str:
    """Formats times, memory, losses and ratios of trainings."""
    rows = []
    for name in comparison.ways:
        first = next(iter(measured.facts[name]["first"].values()))
        moves = measured.rounds[name][-1]["moves"] / steps
        rows.append(
            (
                name,
                f"{1e3 * measured.median(name) / steps:.1f}",
                f"{1e3 * measured.values(name).min() / steps:.1f}",
                f"{1e3 * measured.median(name, 'processor_seconds') / steps:.1f}",
                f"{steps * comparison.batch / measured.median(name):,.0f}",
                f"{moves:g}",
                f"{first['reconstruction_loss']:.2f}" if "reconstruction_loss" in first else "-",
            )
        )
    head = (
        "way",
        "ms a step, median",
        "fastest round",
        "CPU ms, all threads",
        "examples a second",
        "updates a step",
        "reconstruction loss, first round",
    )
    ratios = [
        (f"{slow} / {fast}", verdict(value, reach), f"{value:.2f}")
        for slow, fast, reach in comparison.ratios
        for value in [measured.ratio(slow, fast)]
    ]
    return "\n\n".join(
        (
            f"## {comparison.title}",
            table(head, rows),
            table(("time of a step, median of the ratios of rounds", "reach", "measured"), ratios),
        )
    )


def memory_table(measured: Measured) -> str:
    """Formats the peak memory of the trainings."""
    rows = []
    for name, facts in measured.facts.items():
        peak, before = measured.values(name, "peak_bytes").max(), facts["imported"]
        rows.append(
            (name, f"{peak / 1e6:.0f}", f"{before / 1e6:.0f}", f"{(peak - before) / 1e6:.0f}")
        )
    head = ("way", "peak of the process, MB", "with all imported, MB", "training adds, MB")
    peaks = [max(measured.values(way, "peak_bytes")) for way in (OUR_WAY, EAGER)]
    added = [
        peak - measured.facts[way]["imported"]
        for peak, way in zip(peaks, (OUR_WAY, EAGER), strict=True)
    ]
    ratios = [
        (f"{what}, {OUR_WAY} / {EAGER}", verdict(ours / theirs, 1.0, True), f"{ours / theirs:.2f}")
        for what, (ours, theirs) in (("what training adds", added), ("peak of the process", peaks))
    ]
    return "\n\n".join(
        (
            "## Memory of the trainings with schedule alternating",
            table(head, rows),
            table(("memory", "reach", "measured"), ratios),
        )
    )


def overhead_tables(arguments: argparse.Namespace) -> str:
    """Measures what `fit`, noise layers and samples of the prior take beside a step."""
    ways: dict[str, tuple[str, ...]] = {}
    for compiler, options in (("graph", ()), ("XLA", ("--jit",))):
        ways[compiler] = (OURS, *options, "--ways", "epoch", "bare", "prior")
        ways[f"{compiler}, noise"] = (OURS, *options, *NOISE, "--ways", "bare")
    measured, steps = measure(ways, arguments)
    rows = []
    for compiler in ("graph", "XLA"):
        plain, noisy = (f"{compiler}, bare", f"{compiler}, noise")
        layers = 1.0 - measured.ratio(plain, noisy)
        prior = measured.ratio(f"{compiler}, prior", plain)
        milliseconds = f"{1e3 * measured.median(noisy) / steps:.1f}"
        for what, share in (("noise on inputs and codes", layers), ("samples of the prior", prior)):
            limit = verdict(share, 0.1, True)
            rows.append((f"{compiler}: {what}", milliseconds, limit, f"{share:.1%}"))
    head = ("share of a step", "ms a step with noise", "reach", "measured")
    fit = measured.ratio("graph, epoch", "graph, bare")
    loops = (f"`fit` / a bare loop over the compiled step, {steps} steps", verdict(fit, 1.05, True))
    return "\n\n".join(
        (
            "## Noise, schedule alternating, float32, batch 100",
            table(head, rows),
            "## `model.fit`, the same model",
            table(
                ("time of an epoch, median of the ratios of rounds", "reach", "measured"),
                [(*loops, f"{fit:.3f}")],
            ),
        )
    )


def plot(results: dict[str, tuple[Measured, int]], path: Path) -> None:
    """Draws the times of all rounds."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    figure.supxlabel("ms a step; bar: median, mark: a round", fontsize=9)
    for axes, (key, (measured, steps)) in zip(
        figure.subplots(1, len(results)), results.items(), strict=True
    ):
        names = list(measured.rounds)
        times = [1e3 * measured.values(name) / steps for name in names]
        for i, (name, values) in enumerate(zip(names, times, strict=True)):
            colour = "C0" if name.startswith("aae_tf") else "C1"
            axes.barh(i, sorted(values)[len(values) // 2], color=colour, alpha=0.6)
            axes.plot(values, [i] * len(values), "|", color="black", markersize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_title(COMPARISONS[key].title.replace(", ", "\n", 1), fontsize=9)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, help="interpreter of the peers' environment")
    add_measuring_options(parser, rounds=7)
    parser.add_argument("--steps", type=int, default=100, help="of a round at batch 100")
    parser.add_argument("--only", nargs="+", choices=(*COMPARISONS, "overhead"))
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for key, comparison in COMPARISONS.items():
            if arguments.only and key not in arguments.only:
                continue
            # The first writes its weights, torch starts from them.
            weights = ("--weights", str(Path(folder) / f"{key}.npz"))
            ways = {
                name: (way[0], *weights, *way[1:]) if name == OUR_WAY or way[0] == TORCH else way
                for name, way in comparison.ways.items()
            }
            results[key] = measure(ways, arguments, comparison.batch)
            print(training_tables(comparison, *results[key]), end="\n\n", flush=True)
    if "alternating" in results:
        print(memory_table(results["alternating"][0]), end="\n\n", flush=True)
    if not arguments.only or "overhead" in arguments.only:
        print(overhead_tables(arguments))
    if arguments.plot:
        plot(results, arguments.plot)


if __name__ == "__main__":
    main()
