"""Lowers training steps and exported functions to XLA's own language, to run without TensorFlow.

    python benchmarks/gpu/lower_step.py OUT [--only PATTERN ...]

Writes to OUT, for each case, NAME.hlo.gz (no weights), and manifest.json: what every parameter and
result is, and what TensorFlow computes from the same numbers on this machine's processor.
"""

import argparse
import dataclasses
import fnmatch
import gzip
import json
import os
import re
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
import values

from aae_tf import AAE, networks, priors

DTYPES = {"f32": "float32", "f64": "float64", "s32": "int32", "s64": "int64", "pred": "bool"}
# Steps of the reference, whose logs are means over these, and up to which batch there is one: a
# processor takes long for more.
STEPS, LARGEST_REFERENCE = 3, 1000
# Rows of the outputs that travel for comparison.
ROWS = 100


@dataclasses.dataclass(frozen=True)
class Case:
    """One function to lower: `function` is a schedule of training, or a signature.

    Its products are of `precision`: "tf32" lets float32 factors be rounded to 10 bits of mantissa
    where the hardware does that, "float32" does not, the others are Keras' policies.
    """

    function: str
    batch: int
    precision: str = "tf32"
    guard: bool = False

    @property
    def name(self) -> str:
        """The case in words, the stem of its file."""
        guard = ["guard"] if self.guard else []
        return "-".join([self.function, self.precision, str(self.batch), *guard])


# In the order of importance: where they run, the last may find no time.
CASES = [
    *(
        Case("alternating", batch, precision)
        for precision, batch in (
            ("tf32", 100),
            ("tf32", 1000),
            ("mixed_bfloat16", 1000),
            ("tf32", 10_000),
            ("mixed_bfloat16", 10_000),
        )
    ),
    *(Case("encode", batch, "float32") for batch in (1, 100, 1000, 10_000)),
    *(
        Case(function, batch)
        for function in ("encode", "sample", "decode")
        for batch in (1, 100, 1000, 10_000)
    ),
    Case("alternating", 100, guard=True),
    Case("alternating", 1000, "float32"),
    Case("alternating", 100, "mixed_bfloat16"),
    Case("alternating", 1000, "mixed_float16"),
    Case("alternating", 1000, "mixed_bfloat16", guard=True),
    *(
        Case("joint", batch, precision)
        for batch in (100, 1000, 10_000)
        for precision in ("tf32", "mixed_bfloat16")
    ),
]


def lower(case: Case, out: Path) -> dict[str, Any]:
    """Writes one case, and says what its parameters and results are."""
    mixed = case.precision.startswith("mixed")
    keras.config.set_dtype_policy(case.precision if mixed else "float32")
    tf.config.experimental.enable_tensor_float_32_execution(case.precision != "float32")
    model = AAE(
        encoder=networks.mlp_encoder((784,), seed=1),
        decoder=networks.mlp_decoder((784,), code_dim=8, seed=2),
        prior=priors.gaussian(8, scale=5.0),
        seed=0,
    )
    function, inputs = _function(case, model)
    compiled = tf.function(function, jit_compile=True, autograph=False)
    given = {name: tf.constant(values.INPUTS[name](case.batch)) for name in inputs}
    graph = compiled.get_concrete_function(**given)
    start = time.perf_counter()
    compiler_ir = compiled.experimental_get_compiler_ir(**given)
    header = compiler_ir(stage="hlo").split("\n", 1)[0]
    module = compiler_ir(stage="hlo_serialized")
    seconds = time.perf_counter() - start
    parameters, results = _layouts(header)
    state = [
        {**layout, "value": _describe(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))}
        for handle, layout in zip(graph.captured_inputs, parameters[len(given) :], strict=True)
        for dtype in (tf.as_dtype(layout["dtype"]),)
    ]
    for index, (handle, parameter) in enumerate(zip(graph.captured_inputs, state, strict=True)):
        tf.raw_ops.AssignVariableOp(
            resource=handle, value=tf.constant(values.parameter_value(parameter, index))
        )
    is_training = case.function in AAE.schedules
    steps = 1 if not is_training else STEPS if case.batch <= LARGEST_REFERENCE else 0
    outputs = {}
    for _ in range(steps):
        outputs = compiled(**given)
    (out / f"{case.name}.hlo.gz").write_bytes(gzip.compress(module, mtime=0))
    return {
        "name": case.name,
        **dataclasses.asdict(case),
        "lowering, s": seconds,
        "inputs": list(given),
        "state": state,
        # Outputs come in the order of their sorted names, then the variables that changed.
        "outputs": sorted(graph.structured_outputs),
        "results": results,
        "updates": _updates(header, len(given)),
        "steps": steps,
        "expected": {name: _rows(output.numpy()) for name, output in outputs.items()},
    }


def _function(case: Case, model: AAE) -> tuple[Any, list[str]]:
    if case.function in AAE.schedules:
        model.compile(
            keras.optimizers.Adam(1e-3),
            schedule=case.function,
            guard=case.guard,
            jit_compile=True,
        )
        return lambda inputs: model.train_step(inputs), ["inputs"]
    signature = model.signatures()[case.function]
    # By name, and without the labels that this model does not know.
    return lambda **given: signature.function(**given), list(signature.inputs)


def _layouts(header: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Reads shape and type of each parameter and each result off the first line of a module."""
    layout = header.partition("entry_computation_layout={")[2]
    sides = layout.split(")->", 1)
    return tuple(
        [
            {"shape": [int(size) for size in shape.split(",") if size], "dtype": DTYPES[dtype]}
            for dtype, shape in re.findall(r"\b([a-z]+\d*)\[([\d,]*)\]", side)
        ]
        for side in sides
    )


def _updates(header: str, number_of_inputs: int) -> dict[int, int]:
    """Gives, for each result that is the new value of a variable, which of them."""
    pairs = re.findall(r"\{(\d*)\}: \((\d+), \{\}, may-alias\)", header)
    return {int(result or 0): int(parameter) - number_of_inputs for result, parameter in pairs}


def _describe(variable: tf.Tensor) -> Any:
    """Says how to make the first value of a variable anew: a number, some numbers, or "kernel"."""
    array = variable.numpy()
    if np.all(array == array.flat[0]):
        return array.flat[0].item()
    return array.tolist() if array.size <= 16 else "kernel"


def _rows(output: np.ndarray) -> Any:
    return (output[:ROWS] if output.ndim else output).tolist()


def main() -> None:
    """Lowers every case that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    for case in CASES:
        if not any(fnmatch.fnmatch(case.name, pattern) for pattern in arguments.only):
            continue
        start = time.perf_counter()
        manifest[case.name] = lower(case, arguments.out)
        # Cases may be lowered in several runs; the order is that of importance.
        order = [each.name for each in CASES if each.name in manifest]
        path.write_text(json.dumps({name: manifest[name] for name in order}))
        print(f"{case.name}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
