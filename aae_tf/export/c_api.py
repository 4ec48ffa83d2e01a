"""The functions of TensorFlow's C library that load and run a SavedModel, by ctypes."""

import ctypes
import functools
import sys
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import tensorflow as tf

from aae_tf.export.exportable import ExportError


class Buffer(ctypes.Structure):
    """TF_Buffer: bytes that TensorFlow owns."""

    _fields_ = [("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p)]


class Output(ctypes.Structure):
    """TF_Output: one output of an operation of a graph."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


# Result, then arguments, as in tensorflow/c/c_api.h, tf_status.h, tf_buffer.h and tf_tensor.h.
_FUNCTIONS = {
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewBuffer": (POINTER(Buffer),),
    "TF_DeleteBuffer": (None, POINTER(Buffer)),
    "TF_NewGraph": (c_void_p,),
    "TF_DeleteGraph": (None, c_void_p),
    "TF_GraphOperationByName": (c_void_p, c_void_p, c_char_p),
    "TF_NewSessionOptions": (c_void_p,),
    "TF_DeleteSessionOptions": (None, c_void_p),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        c_void_p,
        c_void_p,
        c_char_p,
        POINTER(c_char_p),
        c_int,
        c_void_p,
        POINTER(Buffer),
        c_void_p,
    ),
    "TF_CloseSession": (None, c_void_p, c_void_p),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_SessionRun": (
        None,
        c_void_p,
        c_void_p,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        c_void_p,
        c_int,
        c_void_p,
        c_void_p,
    ),
    "TF_AllocateTensor": (c_void_p, c_int, POINTER(c_int64), c_int, c_size_t),
    "TF_DeleteTensor": (None, c_void_p),
    "TF_TensorType": (c_int, c_void_p),
    "TF_NumDims": (c_int, c_void_p),
    "TF_Dim": (c_int64, c_void_p, c_int),
    "TF_TensorByteSize": (c_size_t, c_void_p),
    "TF_TensorData": (c_void_p, c_void_p),
}


@functools.cache
def load_c_api() -> ctypes.CDLL:
    """Opens the library that ships with the TensorFlow in use, and declares its functions.

    Returns:
        The library. It is the one that `import tensorflow` has loaded, so nothing is loaded twice.

    Raises:
        ExportError: if this TensorFlow comes without it.
    """
    name = "libtensorflow_cc.2.dylib" if sys.platform == "darwin" else "libtensorflow_cc.so.2"
    library = open_library(Path(tf.sysconfig.get_lib(), name))
    for function, (result, *arguments) in _FUNCTIONS.items():
        declared = getattr(library, function)
        declared.restype, declared.argtypes = result, arguments
    return library


def open_library(path: Path) -> ctypes.CDLL:
    """Opens a shared library.

    Raises:
        ExportError: if it is not there or cannot be opened.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ExportError(
            f"Expected TensorFlow to come with its C library. Received: {path}, which does not "
            f"open: {error}."
        ) from error
