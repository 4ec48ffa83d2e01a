"""Runs what lower_step.py wrote, with JAX alone, on the first device that JAX finds.

    python run_step.py FOLDER RESULT.json [--seconds 150] [--only PATTERN ...]

Every case is compiled for the device, compared with TensorFlow's numbers from a processor, and
timed. RESULT.json grows with every case, so that a run that is cut short keeps what it has. Needs
JAX (made for 0.11) and NumPy; see README.md.
"""

import argparse
import fnmatch
import gzip
import json
import os
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Memory is taken as it is needed: another program measures beside this one.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np
import values
from hlo_function import hlo_function

jax.config.update("jax_enable_x64", True)

ROUNDS = 7
# How long one round of timing is meant to take, and how many calls it has at most.
ROUND_SECONDS = 0.1
MAX_CALLS = 500
TRAINING = ("alternating", "joint")
# Batches that a loop on the device takes in turn. Larger ones than this hide what a call costs.
BATCHES_IN_TURN, LARGEST_LOOPED_BATCH = 8, 100
COUNTED = ("fusion", "custom-call", "conditional", "while", "copy")

Case = dict[str, Any]


def wrap(folder: Path, case: Case) -> Callable[..., Any]:
    """Makes a function (state, *inputs) -> (new state, outputs by name) of a lowered case."""
    results = [jax.ShapeDtypeStruct(each["shape"], each["dtype"]) for each in case["results"]]
    module = gzip.decompress((folder / f"{case['name']}.hlo.gz").read_bytes())
    call = hlo_function(re.sub(r"\W", "_", case["name"]), module, results)
    updates = {int(result): parameter for result, parameter in case["updates"].items()}

    def function(state: list[jax.Array], *inputs: jax.Array) -> tuple[list[jax.Array], Any]:
        results = call(*inputs, *state)
        state = list(state)
        for result, parameter in updates.items():
            state[parameter] = results[result]
        return state, dict(zip(case["outputs"], results, strict=False))

    return function


def seconds_per_call(call: Callable[[], Any]) -> dict[str, float]:
    """Times rounds of calls, each round up to the last result; the first is not counted."""
    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready([call() for _ in range(3)])
    count = int(np.clip(3.0 * ROUND_SECONDS / (time.perf_counter() - start), 3, MAX_CALLS))
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(count):
            result = call()
        jax.block_until_ready(result)
        rounds.append((time.perf_counter() - start) / count)
    return _summary(rounds, count)


def _summary(rounds: list[float], count: int) -> dict[str, float]:
    return {
        "median": float(np.median(rounds)),
        "lowest": min(rounds),
        "highest": max(rounds),
        "calls per round": count,
    }


def compile_case(function: Callable[..., Any], *arguments: Any, donate: bool) -> tuple[Any, Case]:
    """Compiles for the device; returns the program, and what is known of it."""
    start = time.perf_counter()
    lowered = jax.jit(function, donate_argnums=(0,) if donate else ()).lower(*arguments)
    program = lowered.compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    opcodes = Counter(re.findall(r" ([a-z-]+)\(", program.as_text()))
    return program, {
        "compile, s": seconds,
        "memory, bytes": memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes,
        "instructions": {opcode: opcodes[opcode] for opcode in COUNTED},
    }


def compare(outputs: dict[str, Any], expected: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Gives the largest difference of each output, and the relative one in the Euclidean norm."""
    differences = {}
    for name, reference in expected.items():
        reference = np.asarray(reference, np.float64)
        given = np.asarray(outputs[name], np.float64)
        difference = given[: len(reference)] - reference if reference.ndim else given - reference
        norm = np.linalg.norm(reference)
        differences[name] = {
            "largest": float(np.abs(difference).max()),
            "relative": float(np.linalg.norm(difference) / norm) if norm else None,
        }
    return differences


def measure_training(folder: Path, case: Case) -> Case:
    """Compares the logs of some steps, then times steps called one by one and in a loop."""
    function = wrap(folder, case)
    start = [values.parameter_value(each, index) for index, each in enumerate(case["state"])]
    batch = jax.device_put(values.images(case["batch"]))
    state = jax.device_put(start)
    program, figures = compile_case(function, state, batch, donate=True)
    for _ in range(max(case["steps"], 1)):
        state, logs = program(state, batch)
    figures["difference"] = compare(logs, case["expected"])

    def step() -> Any:
        nonlocal state
        state, logs = program(state, batch)
        return logs

    figures["step, s"] = seconds_per_call(step)
    if case["batch"] > LARGEST_LOOPED_BATCH:
        return figures
    batches = values.images(case["batch"] * BATCHES_IN_TURN)
    batches = jax.device_put(batches.reshape(BATCHES_IN_TURN, case["batch"], -1))

    def loop(state: list[jax.Array], batches: jax.Array, steps: jax.Array) -> list[jax.Array]:
        def body(i: jax.Array, state: list[jax.Array]) -> list[jax.Array]:
            return function(state, batches[i % BATCHES_IN_TURN])[0]

        return jax.lax.fori_loop(0, steps, body, state)

    state = jax.device_put(start)
    program, looped = compile_case(loop, state, batches, np.int64(1), donate=True)
    expected = figures["step, s"]["median"]
    steps = int(np.clip(ROUND_SECONDS / expected, 3, MAX_CALLS))
    rounds = []
    for number in range(ROUNDS + 1):
        begin = time.perf_counter()
        state = jax.block_until_ready(program(state, batches, np.int64(steps)))
        if number:
            rounds.append((time.perf_counter() - begin) / steps)
    figures["step in a loop on the device, s"] = _summary(rounds, steps)
    figures["loop"] = looped
    return figures


def measure_serving(folder: Path, case: Case, rows: dict[str, Any]) -> Case:
    """Compares outputs with TensorFlow's and with those of the same rows in other batches."""
    function = wrap(folder, case)
    state = [values.parameter_value(each, index) for index, each in enumerate(case["state"])]
    state = jax.device_put(state)
    inputs = [values.INPUTS[name](case["batch"]) for name in case["inputs"]]
    on_device = jax.device_put(inputs)
    program, figures = compile_case(
        lambda state, *inputs: function(state, *inputs)[1], state, *on_device, donate=False
    )
    outputs = jax.device_get(program(state, *on_device))
    figures["difference"] = compare(outputs, case["expected"])
    key = f"{case['function']}-{case['precision']}"
    others = rows.setdefault(key, {})
    figures["difference to other batches"] = {
        str(batch): compare(outputs, {name: other[: case["batch"]] for name, other in each.items()})
        for batch, each in others.items()
        if batch < case["batch"]
    }
    others[case["batch"]] = {name: output[:100] for name, output in outputs.items()}
    # The rows in another order: each must come out the same at its new place.
    order = np.roll(np.arange(case["batch"]), 37)
    moved = jax.device_get(program(state, *jax.device_put([each[order] for each in inputs])))
    figures["difference in another order"] = compare(
        moved, {name: output[order] for name, output in outputs.items()}
    )
    figures["call, s"] = seconds_per_call(lambda: program(state, *on_device))

    def request() -> Any:
        return jax.device_get(program(state, *jax.device_put(inputs)))

    figures["call with copies from and to the host, s"] = seconds_per_call(request)
    return figures


def main() -> None:
    """Measures case by case, as long as there is time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--seconds", type=float, default=150.0, help="no case begins after these")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN")
    arguments = parser.parse_args()
    start = time.perf_counter()
    manifest = json.loads((arguments.folder / "manifest.json").read_text())
    device = jax.devices()[0]
    result: Case = {"device": device.device_kind, "jax": jax.__version__, "cases": {}}
    rows: dict[str, Any] = {}
    for name, case in manifest.items():
        if not any(fnmatch.fnmatch(name, pattern) for pattern in arguments.only):
            continue
        if time.perf_counter() - start > arguments.seconds:
            result["cases"][name] = {"left out": "no time"}
            continue
        begin = time.perf_counter()
        try:
            is_training = case["function"] in TRAINING
            figures = (
                measure_training(arguments.folder, case)
                if is_training
                else measure_serving(arguments.folder, case, rows)
            )
        # One case that fails must not take the others along.
        except Exception:
            figures = {"error": traceback.format_exc()[-2000:]}
        result["cases"][name] = figures
        result["peak memory, bytes"] = (device.memory_stats() or {}).get("peak_bytes_in_use")
        arguments.result.write_text(json.dumps(result, indent=1))
        print(f"{name}: {time.perf_counter() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
