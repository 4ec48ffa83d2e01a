"""Measures the card, and the same training steps written for PyTorch.

    python torch_step.py RESULT.json [--seconds 90] [--device cuda]

The card first: its matrix rates, its memory bandwidth, what starting a kernel costs. Then the
adversarial autoencoder as a careful user would write it: fused Adam, gradients only where they are
used, no waiting for numbers; eager, compiled, and captured whole in a CUDA graph. RESULT.json grows
with every figure. Needs PyTorch alone.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

PIXELS, WIDTH, CODE_DIM, PRIOR_SCALE, LEARNING_RATE = 784, 1000, 8, 5.0, 1e-3
ROUNDS = 7
ROUND_SECONDS = 0.1
MAX_CALLS = 500
# Batches in turn, up to a batch of this size, as run_step.py has them.
BATCHES_IN_TURN, LARGEST_TURNED_BATCH = 8, 1000


@dataclasses.dataclass(frozen=True)
class Case:
    """One training to time.

    `mode` is "eager", "graph" (the whole step as one CUDA graph), "compile" (`torch.compile` of the
    losses and their gradients), or "compile-graph" (these, captured as one CUDA graph).
    """

    schedule: str
    precision: str
    batch: int
    mode: str

    @property
    def name(self) -> str:
        """The case in words."""
        return "-".join([self.schedule, self.precision, str(self.batch), self.mode])


# In the order of importance: compilation takes long, so that the last may find no time.
CASES = [
    *(
        Case("alternating", precision, batch, mode)
        for mode in ("eager", "graph")
        for precision in ("tf32", "bfloat16")
        for batch in (100, 1000, 10_000)
    ),
    *(
        Case("alternating", precision, batch, mode)
        for precision, batch in (("tf32", 100), ("bfloat16", 1000), ("bfloat16", 10_000))
        for mode in ("compile", "compile-graph")
    ),
    *(
        Case("joint", precision, batch, mode)
        for mode in ("eager", "graph")
        for precision in ("tf32", "bfloat16")
        for batch in (100, 1000)
    ),
]


def mlp(*widths: int) -> nn.Sequential:
    """Makes dense layers with ReLU between them."""
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(fan_in, fan_out)]
    return nn.Sequential(*layers)


class Training:
    """The three networks, their optimizers and both schedules."""

    def __init__(self, case: Case, device: torch.device) -> None:
        with device:
            self.encoder = mlp(PIXELS, WIDTH, WIDTH, CODE_DIM)
            self.decoder = nn.Sequential(mlp(CODE_DIM, WIDTH, WIDTH, PIXELS), nn.Sigmoid())
            self.discriminator = mlp(CODE_DIM, WIDTH, WIDTH, 1)
        self.encoder_weights = list(self.encoder.parameters())
        self.autoencoder_weights = [*self.encoder_weights, *self.decoder.parameters()]
        self.discriminator_weights = list(self.discriminator.parameters())
        captured = case.mode.endswith("graph")
        self.autoencoder, self.player, self.regularizer = (
            torch.optim.Adam(weights, LEARNING_RATE, eps=1e-7, fused=True, capturable=captured)
            for weights in (
                self.autoencoder_weights,
                self.discriminator_weights,
                self.encoder_weights,
            )
        )
        self.device_type, self.bfloat16 = device.type, case.precision == "bfloat16"
        self.step = self._alternating if case.schedule == "alternating" else self._joint
        if case.mode.startswith("compile"):
            for name in ("_reconstruct", "_encode", "_game", "_fool", "_together"):
                setattr(self, name, torch.compile(getattr(self, name), dynamic=False))

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device_type, torch.bfloat16, enabled=self.bfloat16)

    def _reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            outputs = self.decoder(self.encoder(x))
        return 0.5 * (x - outputs.float()).square().sum(1).mean()

    def _encode(self, x: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            return self.encoder(x).float()

    def _game(self, codes: torch.Tensor) -> torch.Tensor:
        # As in aae_tf, one pass over both, in standard deviations of the prior.
        real = torch.randn_like(codes)
        with self._autocast():
            logits = self.discriminator(torch.cat([real, codes / PRIOR_SCALE])).float()
        real_logits, code_logits = logits.chunk(2)
        return functional.softplus(-real_logits).mean() + functional.softplus(code_logits).mean()

    def _fool(self, codes: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            logits = self.discriminator(codes / PRIOR_SCALE).float()
        return functional.softplus(-logits).mean()

    def _together(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        codes = self._encode(x)
        with self._autocast():
            outputs = self.decoder(codes).float()
        reconstruction = 0.5 * (x - outputs).square().sum(1).mean()
        return reconstruction, self._fool(codes), self._game(codes.detach())

    def _alternating(self, x: torch.Tensor) -> torch.Tensor:
        """Makhzani et al. 2016: reconstruction, discriminator, encoder."""
        reconstruction = self._reconstruct(x)
        _move(self.autoencoder, reconstruction, self.autoencoder_weights)
        codes = self._encode(x)
        game = self._game(codes.detach())
        _move(self.player, game, self.discriminator_weights)
        fooling = self._fool(codes)
        _move(self.regularizer, fooling, self.encoder_weights)
        return torch.stack([reconstruction, fooling, game]).detach()

    def _joint(self, x: torch.Tensor) -> torch.Tensor:
        """One pass of encoder and decoder, then both players step."""
        reconstruction, fooling, game = self._together(x)
        self.autoencoder.zero_grad(set_to_none=True)
        self.player.zero_grad(set_to_none=True)
        (reconstruction + fooling).backward(inputs=self.autoencoder_weights)
        game.backward(inputs=self.discriminator_weights)
        self.autoencoder.step()
        self.player.step()
        return torch.stack([reconstruction, fooling, game]).detach()


def _move(
    optimizer: torch.optim.Optimizer, loss: torch.Tensor, weights: list[nn.Parameter]
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward(inputs=weights)
    optimizer.step()


def captured(step: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[..., Any]:
    """Captures a step as one CUDA graph, which reads its batch from a place of its own."""
    place = x.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step(place)

    def replay(x: torch.Tensor) -> torch.Tensor:
        place.copy_(x)
        graph.replay()
        return losses

    return replay


def seconds_per_call(call: Callable[[], Any], wait: Callable[[], None]) -> dict[str, float]:
    """Times rounds of calls, each round up to the last result; the first calls are not counted."""
    call()
    wait()
    start = time.perf_counter()
    for _ in range(3):
        call()
    wait()
    count = int(3.0 * ROUND_SECONDS / (time.perf_counter() - start))
    count = min(max(count, 3), MAX_CALLS)
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        wait()
        rounds.append((time.perf_counter() - start) / count)
    return {
        "median": sorted(rounds)[ROUNDS // 2],
        "lowest": min(rounds),
        "highest": max(rounds),
        "calls per round": count,
    }


def measure_training(case: Case, device: torch.device, wait: Callable[[], None]) -> dict[str, Any]:
    """Times the steps of one case."""
    torch.backends.cuda.matmul.allow_tf32 = case.precision == "tf32"
    torch.manual_seed(0)
    count = BATCHES_IN_TURN if case.batch <= LARGEST_TURNED_BATCH else 1
    batches = itertools.cycle(torch.rand(count, case.batch, PIXELS, device=device))
    training = Training(case, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step = training.step
    if case.mode.endswith("graph"):
        step = captured(step, next(batches))
    losses = step(next(batches))
    wait()
    figures: dict[str, Any] = {"first step, s": time.perf_counter() - start}
    figures["step, s"] = seconds_per_call(lambda: step(next(batches)), wait)
    losses = step(next(batches))
    figures["losses after these"] = losses.tolist()
    if device.type == "cuda":
        figures["memory, bytes"] = torch.cuda.max_memory_allocated()
    return figures


def machine_rates(device: torch.device, wait: Callable[[], None]) -> Iterator[tuple[str, Any]]:
    """Measures the card: product rates, bandwidth, and what a kernel costs that does nothing."""
    size = 8192 if device.type == "cuda" else 512
    for name, dtype, tf32 in (
        ("bfloat16", torch.bfloat16, False),
        ("float16", torch.float16, False),
        ("tf32", torch.float32, True),
        ("float32", torch.float32, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = torch.randn(2, size, size, device=device).to(dtype)
        seconds = seconds_per_call(lambda a=a, b=b: a @ b, wait)["median"]
        yield f"{name} products, FLOP/s", 2.0 * size**3 / seconds
    source = torch.randn(size, 8 * size, device=device)
    target = torch.empty_like(source)
    seconds = seconds_per_call(lambda: target.copy_(source), wait)["median"]
    yield "copy, read and written, byte/s", 2.0 * source.nbytes / seconds
    tiny = torch.zeros(1, device=device)
    yield "starting a kernel, s", seconds_per_call(lambda: tiny.add_(1.0), wait)["median"]
    if device.type != "cuda":
        return
    graph = torch.cuda.CUDAGraph()
    tiny.add_(1.0)
    with torch.cuda.graph(graph):
        for _ in range(1000):
            tiny.add_(1.0)
    yield "kernel in a CUDA graph, s", seconds_per_call(graph.replay, wait)["median"] / 1000


def main() -> None:
    """Measures card and cases, as long as there is time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0, help="no case begins after these")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    start = time.perf_counter()
    device = torch.device(arguments.device)
    is_cuda = device.type == "cuda"
    wait: Callable[[], None] = torch.cuda.synchronize if is_cuda else lambda: None
    result: dict[str, Any] = {"torch": torch.__version__, "machine": {}, "cases": {}}

    def keep() -> None:
        arguments.result.write_text(json.dumps(result, indent=1))

    if is_cuda:
        result["device"] = torch.cuda.get_device_name()
        query = [
            "name,driver_version,memory.total,clocks.sm,clocks.mem,power.limit,temperature.gpu"
        ]
        command = ["nvidia-smi", f"--query-gpu={query[0]}", "--format=csv"]
        result["nvidia-smi"] = subprocess.run(command, capture_output=True, text=True).stdout
    for name, figure in machine_rates(device, wait):
        result["machine"][name] = figure
        keep()
        print(f"{name}: {figure:.3g}", flush=True)
    for case in CASES:
        if time.perf_counter() - start > arguments.seconds:
            result["cases"][case.name] = {"left out": "no time"}
            continue
        if not is_cuda and case.mode.endswith("graph"):
            continue
        begin = time.perf_counter()
        try:
            result["cases"][case.name] = measure_training(case, device, wait)
        # One case that fails must not take the others along.
        except Exception:
            result["cases"][case.name] = {"error": traceback.format_exc()[-2000:]}
        keep()
        print(f"{case.name}: {time.perf_counter() - begin:.1f} s", flush=True)
    keep()


if __name__ == "__main__":
    main()
