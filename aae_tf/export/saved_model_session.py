"""`SavedModelSession`: runs a SavedModel as TensorFlow Serving does, as a graph in a session."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef

# TF_SessionRun has no public Python name; Session.run checks feeds itself and is slower.
from tensorflow.python.client import pywrap_tf_session

# Nothing public says whether the runtime has started.
from tensorflow.python.eager import context as eager_context
from tensorflow.python.util import deprecation

from aae_tf.export.saved_model import all_nodes, callable_signatures, check_call

# Whether this process was forked from one in which TensorFlow had started its threads.
_lost_threads = False


def check_threads() -> None:
    """Refuses to run TensorFlow where it would wait for threads that a fork did not copy.

    Raises:
        RuntimeError: if TensorFlow had run in the process from which this one was forked.
    """
    if _lost_threads:
        raise RuntimeError(
            "Expected a process in which TensorFlow can run. Received: one that was forked after "
            "TensorFlow had run, whose threads are not in it. Start workers by "
            "multiprocessing.get_context('spawn'), or before TensorFlow runs."
        )


def _note_fork() -> None:
    global _lost_threads
    context = eager_context.context_safe()
    _lost_threads |= context is not None and context._context_handle is not None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


class SavedModelSession:
    """Loads a SavedModel as a session graph and runs its signatures.

    TensorFlow Serving does not use `tf.saved_model.load`: it imports the graph into a session,
    restores the checkpoint into its variable handles and runs signatures by tensor name. Some
    SavedModels run under the former and fail under the latter, so an export is verified with
    this class. Runs go straight to TF_SessionRun without further checks: errors are the
    runtime's own, and `run` may be called from many threads.

    Args:
        path: Directory that holds `saved_model.pb` and `variables/`.
        tags: Tags of the graph to load. Defaults to `("serve",)`, the server's.

    Attributes:
        signatures: SignatureDef protos that `run` accepts, by name.
        signature_defs: `signatures` and the loader's own entries, as GetModelMetadata lists them.

    Raises:
        ValueError: `path` holds no SavedModel with these tags, or it does not load.
        RuntimeError: the process was forked from one in which TensorFlow had run.

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
        >>> with SavedModelSession(path) as session:
        ...     session.run("serving_default", {"x": np.float32([2.0, 4.0])})
        {'y': array([1., 2.], dtype=float32)}
    """

    def __init__(self, path: str | os.PathLike[str], tags: Sequence[str] = ("serve",)) -> None:
        check_threads()
        self.path = os.fspath(path)
        self.tags = tuple(tags)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            # The loader warns that it is deprecated; the server has no other.
            with deprecation.silence():
                self._meta_graph: MetaGraphDef = tf.compat.v1.saved_model.load(
                    self._session, list(self.tags), self.path
                )
            self.signature_defs: dict[str, SignatureDef] = dict(self._meta_graph.signature_def)
            self.signatures: dict[str, SignatureDef] = callable_signatures(self._meta_graph)
            self._inputs = self._tensors_of("inputs")
            self._outputs = self._tensors_of("outputs")
            # Sends the loaded nodes to the runtime, so that `run` need not check for new ones.
            self._session._extend_graph()
        except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
            self._session.close()
            raise ValueError(
                "Expected `path` to hold a SavedModel that loads in a session. "
                f"Received: path={self.path}, tags={self.tags}, which fails with: {error}."
            ) from error

    @property
    def num_variable_handles(self) -> int:
        """Number of variables that the graph creates; an export has one per weight."""
        return sum(node.op == "VarHandleOp" for node in all_nodes(self._meta_graph.graph_def))

    @property
    def devices(self) -> set[str]:
        """Devices that nodes ask for; `""` for nodes that leave the choice to the runtime."""
        return {node.device for node in all_nodes(self._meta_graph.graph_def)}

    @property
    def requires_xla(self) -> bool:
        """Whether a function must be compiled by XLA; TensorFlow Serving refuses it by default."""
        library = self._meta_graph.graph_def.library.function
        return any(
            owner.attr["_XlaMustCompile"].b
            for owner in (*library, *all_nodes(self._meta_graph.graph_def))
            if "_XlaMustCompile" in owner.attr
        )

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs one signature.

        Args:
            signature_name: A key of `signatures`.
            inputs: Arrays by input name. The graph checks their shapes and dtypes.
            outputs: Names of the outputs to compute. Defaults to all of the signature.
            timeout: Seconds, above 0, after which the run is cancelled. Defaults to no limit.

        Returns:
            Arrays by output name; strings are object arrays of bytes.

        Raises:
            ValueError: unknown signature, input or output, or a `timeout` not above 0.
            tf.errors.OpError: whatever the runtime reports, with its own message.
        """
        check_call(self.signatures, signature_name, inputs, outputs)
        feeds = self._inputs[signature_name]
        fetches = self._outputs[signature_name]
        if outputs is None:
            outputs = tuple(fetches)
        if timeout is not None and not timeout > 0:
            raise ValueError(f"Expected `timeout` to be above 0. Received: timeout={timeout}.")

        values = self._run(
            {feeds[name]: value for name, value in inputs.items()},
            [fetches[name] for name in outputs],
            timeout,
        )
        return {
            name: np.asarray(value, dtype=object if isinstance(value, bytes) else None)
            for name, value in zip(outputs, values, strict=True)
        }

    def close(self) -> None:
        """Frees the variables; a `run` after this raises tf.errors.CancelledError."""
        self._session.close()

    def __enter__(self) -> SavedModelSession:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(
        self, feeds: dict[Any, np.ndarray], fetches: list[Any], timeout: float | None
    ) -> list[Any]:
        run = pywrap_tf_session.TF_SessionRun_wrapper
        if timeout is None:
            return run(self._session._session, None, feeds, fetches, [], None)
        # 0 milliseconds would mean no limit.
        run_options = tf.compat.v1.RunOptions(timeout_in_ms=math.ceil(1000.0 * timeout))
        buffer = pywrap_tf_session.TF_NewBufferFromString(run_options.SerializeToString())
        try:
            return run(self._session._session, buffer, feeds, fetches, [], None)
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)

    def _tensors_of(self, side: Literal["inputs", "outputs"]) -> dict[str, dict[str, Any]]:
        graph = self._session.graph
        return {
            name: {
                alias: graph.get_tensor_by_name(info.name)._as_tf_output()
                for alias, info in getattr(signature, side).items()
            }
            for name, signature in self.signatures.items()
        }
