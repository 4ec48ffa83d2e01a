"""`export_signature`: one signature of a model as one file, in the formats ONNX and LiteRT."""

import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from aae_tf.checks import check_choice
from aae_tf.export.exportable import Exportable, ExportError, Signature
from aae_tf.export.onnx_conversion import convert_to_onnx
from aae_tf.export.saved_model import full_precision, write_saved_model
from aae_tf.export.verification import verify_function
from aae_tf.files import write_atomically

# Formats of one function, of the names that `keras.Model.export` has for them.
FORMATS = ("onnx", "litert")


def export_signature(
    model: Exportable,
    filepath: str | os.PathLike[str],
    format: str,
    signature: str | None = None,
    **options: Any,
) -> str:
    """Writes one signature of a model as a file, after a run that agreed with the model.

    Inputs and outputs have the names that they have in a SavedModel, the batch is of any size, and
    rows that are not finite are answered with NaN.

    Args:
        model: the model.
        filepath: file to write; one that exists is replaced. LiteRT's ends in ".tflite".
        format: "onnx", which needs the extra `onnx`, or "litert".
        signature: name of the signature; None takes the default, what calling the model does.
        **options: for ONNX `opset_version`; for LiteRT attributes of `tf.lite.TFLiteConverter`,
            such as `optimizations`, with which answers may differ and are not compared.

    Returns:
        Name of the signature.

    Raises:
        ImportError: if the packages of the extra `onnx` are not installed.
        TypeError: if an option is unknown.
        ValueError: if the model has no such signature, or `filepath` has another ending.
        ExportError: if the format has no operation for one of the signature's, or the file does
            not answer as the model does. Nothing is written then.
    """
    signatures = model.signatures()
    name = check_choice("signature", signature or next(iter(signatures)), tuple(signatures))
    path = Path(filepath)
    with full_precision(model):
        if format == "onnx":
            content = convert_to_onnx(name, signatures[name], **options)
        else:
            content = _convert_to_litert(path, model, name, signatures[name], **options)
    write_atomically(path, content)
    return name


def _convert_to_litert(
    path: Path, model: Exportable, name: str, signature: Signature, **options: Any
) -> bytes:
    if path.suffix != ".tflite":
        raise ValueError(
            f"Expected `filepath` to end in '.tflite'. Received: filepath={str(path)!r}."
        )
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(folder, {name: signature}, model.variables)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[name])
        for option, value in options.items():
            if not hasattr(converter, option):
                raise TypeError(
                    "Expected options to be attributes of tf.lite.TFLiteConverter. "
                    f"Received: {option}={value!r}."
                )
            setattr(converter, option, value)
        try:
            content: bytes = converter.convert()
        except Exception as error:  # The converter's error class is private.
            named = re.search(r"^[\w ]+ ops: (.+)$", str(error), re.MULTILINE)
            raise ExportError(
                "Expected `signature` to consist of operations that LiteRT has. "
                f"Received: {name!r}, which needs {named[1] if named else error}."
            ) from error
    if not options:
        verify_function("LiteRT", name, signature, _Interpreter(content, name))
    return content


class _Interpreter:
    """Runs a signature of a LiteRT file."""

    def __init__(self, content: bytes, name: str) -> None:
        with warnings.catch_warnings():
            # It announces that it moves to a package of its own.
            warnings.filterwarnings(
                "ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated"
            )
            interpreter = tf.lite.Interpreter(model_content=content)
        self._run = interpreter.get_signature_runner(name)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs: dict[str, np.ndarray] = self._run(**inputs)
        return outputs
