"""`CApiSession`: runs a SavedModel through TensorFlow's C library and its C++ loader."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from types import TracebackType

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef, TensorInfo

from aae_tf.export.exportable import ExportError
from aae_tf.export.saved_model import callable_signatures, check_call

# The dtypes of an export's signatures.
_DTYPES = {
    tf.float32.as_datatype_enum: np.float32,
    tf.int64.as_datatype_enum: np.int64,
    tf.string.as_datatype_enum: np.object_,
}
_STRING = tf.string.as_datatype_enum
# sizeof(TF_TString), in which short text lies as well.
_STRING_BYTES = 24
_ENUMS = {np.dtype(dtype): enum for enum, dtype in _DTYPES.items()}


class _Buffer(ctypes.Structure):
    """TF_Buffer: bytes that TensorFlow owns."""

    _fields_ = [("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p)]


class _Output(ctypes.Structure):
    """TF_Output: one output of an operation of a graph."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


# Result, then arguments, as in tensorflow/c/c_api.h, tf_status.h, tf_buffer.h and tf_tensor.h.
_FUNCTIONS = {
    "TF_NewStatus": (c_void_p,),
    "TF_DeleteStatus": (None, c_void_p),
    "TF_GetCode": (c_int, c_void_p),
    "TF_Message": (c_char_p, c_void_p),
    "TF_NewBuffer": (POINTER(_Buffer),),
    "TF_DeleteBuffer": (None, POINTER(_Buffer)),
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
        POINTER(_Buffer),
        c_void_p,
    ),
    "TF_CloseSession": (None, c_void_p, c_void_p),
    "TF_DeleteSession": (None, c_void_p, c_void_p),
    "TF_SessionRun": (
        None,
        c_void_p,
        c_void_p,
        POINTER(_Output),
        POINTER(c_void_p),
        c_int,
        POINTER(_Output),
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
    "TF_StringInit": (None, c_void_p),
    "TF_StringCopy": (None, c_void_p, c_char_p, c_size_t),
    "TF_StringGetSize": (c_size_t, c_void_p),
    "TF_StringGetDataPointer": (c_void_p, c_void_p),
    "TF_StringDealloc": (None, c_void_p),
}


class CApiSession:
    """Loads a SavedModel with TF_LoadSessionFromSavedModel and runs it with TF_SessionRun.

    It is a check of an export that is independent of `SavedModelSession`, which loads through
    Python's loader and restores variables by an operation of its own graph. Here the C++ loader
    that TensorFlow Serving calls does all of it, without Python. The two share the kernels and
    nothing above them.

    Args:
        path: Directory that holds `saved_model.pb` and `variables/`.
        tags: Tags of the graph to load. Defaults to `("serve",)`, the server's.

    Attributes:
        signatures: SignatureDef protos that `run` accepts, by name.

    Raises:
        tf.errors.OpError: what the loader reports, with its own code and text.
        ExportError: this TensorFlow comes without its C library.

    Example:

        >>> import tempfile
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> module = tf.Module()
        >>> module.slope = tf.Variable(0.5)
        >>> halve = tf.function(lambda x: {"y": module.slope * x})
        >>> signature = halve.get_concrete_function(tf.TensorSpec([None], name="x"))
        >>> path = tempfile.mkdtemp()
        >>> tf.saved_model.save(module, path, signatures=signature)
        >>> with CApiSession(path) as session:
        ...     session.run("serving_default", {"x": np.float32([2.0, 4.0])})
        {'y': array([1., 2.], dtype=float32)}

    References:
        tensorflow/c/c_api.h.
    """

    def __init__(self, path: str | os.PathLike[str], tags: Sequence[str] = ("serve",)) -> None:
        self.path = os.fspath(path)
        self.tags = tuple(tags)
        self._library = load_c_api()
        self._graph = self._library.TF_NewGraph()
        self._session: int | None = None
        try:
            meta_graph = self._load()
        except BaseException:
            self._library.TF_DeleteGraph(self._graph)
            raise
        self.signatures: dict[str, SignatureDef] = callable_signatures(meta_graph)

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs one signature.

        Args:
            signature_name: A key of `signatures`.
            inputs: arrays of float32, int64, or objects that are bytes or str, by input name. The
                graph checks their shapes and that none is missing.
            outputs: Names of the outputs to compute. Defaults to all of the signature.

        Returns:
            float32 or int64 arrays by output name; text as objects that are bytes.

        Raises:
            ValueError: unknown signature, input or output.
            TypeError: an input or output that is neither float32 nor int64 nor text.
            tf.errors.OpError: what the runtime reports, with its own code and text;
                tf.errors.CancelledError after `close`.
        """
        signature = check_call(self.signatures, signature_name, inputs, outputs)
        if outputs is None:
            outputs = tuple(signature.outputs)
        for name, value in inputs.items():
            _check_dtype(f"inputs[{name!r}]", np.asarray(value).dtype in _ENUMS, value)
        for name in outputs:
            dtype = signature.outputs[name].dtype
            _check_dtype(f"outputs[{name!r}]", dtype in _DTYPES, tf.as_dtype(dtype).name)
        if self._session is None:
            raise tf.errors.CancelledError(None, None, "Session has been closed.")
        values = self._run(
            [(self._output(signature.inputs[name]), value) for name, value in inputs.items()],
            [self._output(signature.outputs[name]) for name in outputs],
        )
        return dict(zip(outputs, values, strict=True))

    def close(self) -> None:
        """Frees graph and variables; no `run` may be in progress, and a later one is refused."""
        session, self._session = self._session, None
        if session is not None:
            for end in (self._library.TF_CloseSession, self._library.TF_DeleteSession):
                with self._checked_status() as status:
                    end(session, status)
            self._library.TF_DeleteGraph(self._graph)

    def __enter__(self) -> CApiSession:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self) -> MetaGraphDef:
        library = self._library
        tags = (ctypes.c_char_p * len(self.tags))(*(tag.encode() for tag in self.tags))
        options = library.TF_NewSessionOptions()
        buffer = library.TF_NewBuffer()
        try:
            with self._checked_status() as status:
                self._session = library.TF_LoadSessionFromSavedModel(
                    options,
                    None,
                    os.fsencode(self.path),
                    tags,
                    len(tags),
                    self._graph,
                    buffer,
                    status,
                )
            content = ctypes.string_at(buffer.contents.data, buffer.contents.length)
            return MetaGraphDef.FromString(content)
        finally:
            library.TF_DeleteBuffer(buffer)
            library.TF_DeleteSessionOptions(options)

    @contextlib.contextmanager
    def _checked_status(self) -> Iterator[int]:
        status = self._library.TF_NewStatus()
        try:
            yield status
            code = self._library.TF_GetCode(status)
            if code:
                text = self._library.TF_Message(status).decode(errors="replace")
                error = tf.compat.v1.errors.exception_type_from_error_code(code)
                raise error(None, None, text)
        finally:
            self._library.TF_DeleteStatus(status)

    def _output(self, info: TensorInfo) -> _Output:
        name, _, index = info.name.rpartition(":")
        operation = self._library.TF_GraphOperationByName(self._graph, name.encode())
        if operation is None:
            raise tf.errors.NotFoundError(None, None, f"The graph has no tensor {info.name}.")
        return _Output(operation, int(index))

    def _run(
        self, feeds: Sequence[tuple[_Output, np.ndarray]], fetches: Sequence[_Output]
    ) -> list[np.ndarray]:
        library = self._library
        fed = (ctypes.c_void_p * len(feeds))()
        fetched = (ctypes.c_void_p * len(fetches))()
        try:
            for i, (_, value) in enumerate(feeds):
                fed[i] = self._new_tensor(value)
            with self._checked_status() as status:
                library.TF_SessionRun(
                    self._session,
                    None,
                    (_Output * len(feeds))(*(output for output, _ in feeds)),
                    fed,
                    len(feeds),
                    (_Output * len(fetches))(*fetches),
                    fetched,
                    len(fetches),
                    None,
                    0,
                    None,
                    status,
                )
            return [self._to_array(tensor) for tensor in fetched if tensor is not None]
        finally:
            for tensor in fed:
                # The runtime frees the text of its own tensors, and not that of these.
                for place in self._strings(tensor):
                    library.TF_StringDealloc(place)
            for tensor in (*fed, *fetched):
                if tensor is not None:
                    library.TF_DeleteTensor(tensor)

    def _new_tensor(self, value: np.ndarray) -> int:
        value = np.asarray(value, order="C")
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        is_text = value.dtype == object
        size = _STRING_BYTES * value.size if is_text else value.nbytes
        tensor = self._library.TF_AllocateTensor(_ENUMS[value.dtype], shape, value.ndim, size)
        if not is_text:
            ctypes.memmove(self._library.TF_TensorData(tensor), value.ctypes.data, size)
            return tensor
        for place, text in zip(self._strings(tensor), value.ravel().tolist(), strict=True):
            content = text.encode() if isinstance(text, str) else text
            self._library.TF_StringInit(place)
            self._library.TF_StringCopy(place, content, len(content))
        return tensor

    def _strings(self, tensor: int | None) -> range:
        """Gives the address of each text of a tensor; none where it holds numbers."""
        library = self._library
        if tensor is None or library.TF_TensorType(tensor) != _STRING:
            return range(0)
        start = library.TF_TensorData(tensor) or 0
        return range(start, start + library.TF_TensorByteSize(tensor), _STRING_BYTES)

    def _to_array(self, tensor: int) -> np.ndarray:
        library = self._library
        shape = [library.TF_Dim(tensor, i) for i in range(library.TF_NumDims(tensor))]
        if library.TF_TensorType(tensor) == _STRING:
            text = np.empty(shape, object)
            text.ravel()[:] = [
                ctypes.string_at(
                    library.TF_StringGetDataPointer(place), library.TF_StringGetSize(place)
                )
                for place in self._strings(tensor)
            ]
            return text
        content = ctypes.string_at(library.TF_TensorData(tensor), library.TF_TensorByteSize(tensor))
        # Copied, because an array over bytes is read-only.
        return np.frombuffer(content, _DTYPES[library.TF_TensorType(tensor)]).reshape(shape).copy()


def _check_dtype(argument: str, accepted: bool, value: object) -> None:
    if not accepted:
        received = getattr(value, "dtype", value)
        raise TypeError(f"Expected float32, int64 or text. Received: {argument} of {received}.")


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
