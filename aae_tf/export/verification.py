"""Verifies a SavedModel: runs each signature through two loaders and compares the answers."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from aae_tf.export.c_api_session import CApiSession
from aae_tf.export.exportable import ExportError, Signature
from aae_tf.export.saved_model import all_nodes, read_meta_graph
from aae_tf.export.saved_model_session import SavedModelSession

# Integer inputs are drawn from these ranges: any seed; label -1, which asks for a random class, or
# one of the first two classes, which every model with classes has.
_RANGES = {"seed": (-(2**63), 2**63 - 1), "label": (-1, 2)}
# The two loaders rewrite graphs differently. In a low precision a fused operation rounds once
# where its parts round each time; so many roundings may differ.
_ROUNDINGS = 8
_SPACING = {tf.bfloat16: 2.0**-7, tf.float16: 2.0**-10}
# In float32 only the order of sums may differ.
_RELATIVE = 1e-4
_ABSOLUTE = 1e-5


def verify_saved_model(
    path: str | os.PathLike[str], signatures: dict[str, Signature], seed: int = 0
) -> None:
    """Runs every signature through the session loader and compares it with the model.

    Checks that each signature exists and, for batches of 1 and of 5 rows, answers what its
    function answers; that rows with NaN or infinity are answered with NaN, and leave the others of
    their batch as they are; that the latents of `sample` are the same, bit for bit, for a seed
    alone, in a batch and in another order; that there is one variable handle for each variable in
    the checkpoint; that no node asks for a device other than a CPU or must be compiled by XLA.

    Args:
        path: directory of the SavedModel.
        signatures: the signatures that it was written from.
        seed: seed of the random inputs.

    Raises:
        ExportError: at the first check that fails; the message names the signature.
    """
    try:
        session = SavedModelSession(path)
    except ValueError as error:
        raise ExportError(str(error)) from error
    with session:
        _check_graph(path, session)
        generator = np.random.default_rng(seed)
        for name, signature in signatures.items():
            if name not in session.signatures:
                raise ExportError(f"The export at {path} has no signature {name!r}.")
            for batch in (1, 5):
                inputs = example_inputs(signature, batch, generator)
                _check_answers(session, name, signature, inputs)
            _check_nan_rows(session.run, name, signature, generator)
        if "sample" in signatures:
            _check_seeds(session, signatures["sample"], generator)


def verify_function(
    where: str,
    name: str,
    signature: Signature,
    run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
    seed: int = 0,
) -> None:
    """Compares what runs a signature elsewhere with its graph: answers and rows of NaN.

    Args:
        where: what runs it, for messages.
        name: name of the signature.
        signature: the signature.
        run: arrays by input name to arrays by output name.
        seed: seed of the random inputs.

    Raises:
        ExportError: if an answer differs, or a row that is not finite is not answered with NaN.
    """
    generator = np.random.default_rng(seed)
    for batch in (1, 5):
        inputs = example_inputs(signature, batch, generator)
        _compare(f"in {where}", name, signature, inputs, run(inputs))
    _check_nan_rows(lambda _, inputs: run(inputs), name, signature, generator)


def compare_loaders(
    path: str | os.PathLike[str], signatures: dict[str, Signature], seed: int = 0
) -> None:
    """Runs every signature through the C++ loader and compares it with the session loader.

    The rows of NaN that `verify_saved_model` checks are checked here, too.

    Args:
        path: directory of the SavedModel.
        signatures: the signatures that it was written from.
        seed: seed of the random inputs.

    Raises:
        ExportError: if the C++ loader does not load it or does not run a signature, with the
            code and text of the C++ runtime, or if an answer differs.
    """
    generator = np.random.default_rng(seed)
    relative, absolute = _tolerances(path)
    try:
        with CApiSession(path) as other, SavedModelSession(path) as session:
            for name, signature in signatures.items():
                inputs = example_inputs(signature, 3, generator)
                expected, found = session.run(name, inputs), other.run(name, inputs)
                for output, value in expected.items():
                    if not _agree(found[output], value, relative, absolute):
                        raise ExportError(
                            f"Output {output!r} of signature {name!r} is another in C++ than in a "
                            "session."
                        )
                _check_nan_rows(other.run, name, signature, generator)
    except tf.errors.OpError as error:
        raise ExportError(
            f"Expected {os.fspath(path)} to load and run in C++. "
            f"Received: {type(error).__name__}, code {error.error_code}: {error.message}"
        ) from error


def example_inputs(
    signature: Signature, batch: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws random inputs of a signature.

    Args:
        signature: the signature.
        batch: number of rows.
        generator: the source of random numbers.

    Returns:
        Arrays [batch, ...] by name, floats in [0, 1) unless the signature has examples.
    """

    def draw(spec: tf.TensorSpec) -> np.ndarray:
        shape = (batch, *spec.shape[1:])
        if spec.dtype == tf.int64:
            return generator.integers(*_RANGES[spec.name], shape)
        return generator.random(shape).astype(spec.dtype.as_numpy_dtype)

    if signature.examples is not None:
        return {
            name: generator.choice(signature.examples[name], batch) for name in signature.inputs
        }
    return {name: draw(spec) for name, spec in signature.inputs.items()}


def _check_graph(path: str | os.PathLike[str], session: SavedModelSession) -> None:
    variables = [
        name
        for name, _ in tf.train.list_variables(str(Path(path, "variables", "variables")))
        if name.endswith(".ATTRIBUTES/VARIABLE_VALUE")
    ]
    if session.num_variable_handles != len(variables):
        raise ExportError(
            f"The export at {path} creates {session.num_variable_handles} variables for "
            f"{len(variables)} weights."
        )
    devices = {device for device in session.devices if device and "CPU" not in device.upper()}
    if devices or session.requires_xla:
        raise ExportError(
            f"The export at {path} asks for {sorted(devices) or 'XLA'}, which a server may refuse."
        )


def _check_answers(
    session: SavedModelSession,
    name: str,
    signature: Signature,
    inputs: dict[str, np.ndarray],
) -> None:
    try:
        served = session.run(name, inputs)
    except tf.errors.OpError as error:
        raise ExportError(
            f"Signature {name!r} does not run in a session: {error.message}"
        ) from error
    _compare("in a session", name, signature, inputs, served)


def _compare(
    where: str,
    name: str,
    signature: Signature,
    inputs: dict[str, np.ndarray],
    served: dict[str, np.ndarray],
) -> None:
    # The traced function, as the model itself runs: fused kernels of low precision differ from
    # eager ones.
    expected = signature.run(inputs)
    if served.keys() != expected.keys():
        raise ExportError(
            f"Signature {name!r} gives {sorted(served)} instead of {sorted(expected)} {where}."
        )
    for output, value in expected.items():
        value = value.numpy()
        if served[output].shape != value.shape or not _agree(served[output], value):
            raise ExportError(
                f"Output {output!r} of signature {name!r} differs {where} from the model's for a "
                f"batch of {len(value)}."
            )


def _check_nan_rows(
    run: Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]],
    name: str,
    signature: Signature,
    generator: np.random.Generator,
) -> None:
    """Checks the answers for one row of NaN and one of infinity in each floating input."""
    floating = [key for key, spec in signature.inputs.items() if spec.dtype.is_floating]
    if not floating or signature.examples is not None:
        return
    faults = list(itertools.product(floating, (np.nan, np.inf)))
    # One more row that is whole.
    inputs = example_inputs(signature, len(faults) + 1, generator)
    whole = run(name, inputs)
    for row, (key, fault) in enumerate(faults):
        # A view of the row, also where it is a single number.
        values = inputs[key][row : row + 1].reshape(-1)
        values[generator.integers(values.size)] = fault
    for output, value in run(name, inputs).items():
        for row, (key, fault) in enumerate(faults):
            expected = {"f": np.nan, "O": b""}.get(value.dtype.kind, -1)
            if not _agree(value[row : row + 1], np.full_like(value[row : row + 1], expected)):
                raise ExportError(
                    f"Output {output!r} of signature {name!r} is not {expected} for a row with "
                    f"{fault} in input {key!r}."
                )
        if not _agree(value[-1:], whole[output][-1:]):
            raise ExportError(
                f"Output {output!r} of signature {name!r} is another for a row beside one that is "
                "not finite."
            )


def _agree(
    found: np.ndarray,
    expected: np.ndarray,
    relative: float = _RELATIVE,
    absolute: float = _ABSOLUTE,
) -> bool:
    if expected.dtype == object:
        return np.array_equal(found, expected)
    return np.allclose(found, expected, relative, absolute, equal_nan=True)


def _check_seeds(
    session: SavedModelSession, signature: Signature, generator: np.random.Generator
) -> None:
    inputs = example_inputs(signature, 17, generator)

    def latents(rows: slice | np.ndarray) -> np.ndarray:
        chosen = {name: values[rows] for name, values in inputs.items()}
        return session.run("sample", chosen, outputs=["latents"])["latents"]

    together = latents(slice(None))
    order = generator.permutation(len(together))
    alone = np.concatenate([latents(slice(i, i + 1)) for i in range(len(together))])
    if not np.array_equal(latents(order), together[order]) or not np.array_equal(alone, together):
        raise ExportError("Signature 'sample' gives a seed different latents in another batch.")


def _tolerances(path: str | os.PathLike[str]) -> tuple[float, float]:
    nodes = all_nodes(read_meta_graph(path).graph_def)
    dtypes = {value.type for node in nodes for value in node.attr.values()}
    for dtype, spacing in _SPACING.items():
        if dtype.as_datatype_enum in dtypes:
            return _ROUNDINGS * spacing, _ROUNDINGS * spacing
    return _RELATIVE, _ABSOLUTE
