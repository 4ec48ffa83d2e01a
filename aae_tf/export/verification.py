"""Proves that a SavedModel answers, as TensorFlow Serving would run it, what its model answers."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from aae_tf.export.example_inputs import example_inputs
from aae_tf.export.exportable import ExportError, Signature, Tensors
from aae_tf.export.saved_model_session import SavedModelSession

# Sums may be taken in another order, no more.
RELATIVE = 1e-4
ABSOLUTE = 1e-5


def verify_saved_model(
    path: str | os.PathLike[str], signatures: dict[str, Signature], seed: int = 0
) -> None:
    """Runs every signature through the session loader and compares it with the model.

    Checks that each signature is there and, for batches of 1 and of 5 rows, gives what its
    function gives; that the latents of `sample` are the same, bit for bit, for a seed alone, in
    a batch and in another order; that there is one variable handle for each variable in the
    checkpoint; that no node asks for a device other than a CPU, and none insists on XLA.

    Args:
        path: directory of the SavedModel.
        signatures: what it was made from.
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
                # Traced, as the model itself runs: fused kernels of low precision differ from
                # eager ones.
                _check_answers(session, name, signature.graph, inputs)
        if "sample" in signatures:
            _check_seeds(session, signatures["sample"], generator)


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
    answer: Callable[..., Tensors],
    inputs: dict[str, np.ndarray],
) -> None:
    try:
        served = session.run(name, inputs)
    except tf.errors.OpError as error:
        raise ExportError(
            f"Signature {name!r} does not run in a session: {error.message}"
        ) from error
    expected = answer(**{key: tf.constant(value) for key, value in inputs.items()})
    if served.keys() != expected.keys():
        raise ExportError(
            f"Signature {name!r} gives {sorted(served)} instead of {sorted(expected)}."
        )
    for output, value in expected.items():
        value = value.numpy()
        if served[output].shape != value.shape or not np.allclose(
            served[output], value, RELATIVE, ABSOLUTE, equal_nan=True
        ):
            raise ExportError(
                f"Output {output!r} of signature {name!r} differs from the model's for a batch "
                f"of {len(value)}."
            )


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
