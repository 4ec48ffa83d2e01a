"""The base class of every model with a decoder and priors: decode, sample, export, save."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import data, priors
from aae_tf.checks import check_dimension, check_integer
from aae_tf.export.export_model import export_model
from aae_tf.export.exportable import Signature
from aae_tf.export.nan_rows import nan_rows
from aae_tf.export.saved_model import full_precision
from aae_tf.export.saved_model_session import check_threads
from aae_tf.export.signature_file import FORMATS, export_signature
from aae_tf.models.arguments import (
    check_class_names,
    check_network,
    check_table,
    constructor_arguments,
    deserialize_argument,
    number_names,
    row_labels,
    row_seeds,
    serialize_argument,
)
from aae_tf.models.table_inputs import TableInputs
from aae_tf.networks import TableColumns
from aae_tf.tables.schema import TableSchema
from aae_tf.training.terms import Tensors

# Folded into the seeds of rows, so that a row's class and its style are independent.
_CLASS_STREAM = 1
# Arguments that every model takes, written to a config in a form of their own.
_OF_ALL = ("table", "class_names")


class GenerativeModel(keras.Model):
    """A decoder with priors in front of it: decode, sample, export, save.

    A variant implements two functions of tensors, which the methods below, the exported
    signatures and training all go through:

    - `seed_codes`: seeds (and labels) to codes drawn from the priors;
    - `decoder_inputs`: codes to what the decoder receives;

    and sets `decoder_codes`, the names of the codes that `decoder_inputs` needs. Each argument of
    its constructor is an attribute of the same name, which `get_config` saves.

    Args:
        decoder: built Keras model, [batch, n] to outputs [batch, ...].
        num_classes: how many classes or clusters the model knows; None if it knows none.
        seed: non-negative integer for all randomness of the model; None draws anew.
        name: name of the model.
        table: the `data.TableSchema` of inputs that are columns; the outputs of the decoder are
            those of `networks.tabular_decoder` then. Every model that reconstructs takes it by
            this name: its methods take columns, and `decode`, `sample` and `reconstruct` give them.
        class_names: name of each class, on models that know classes: `fit` takes names as labels
            and `sample` as well, and the exported `classify` gives `class_name`.

    Raises:
        TypeError: if the decoder is not a Keras model, the seed no integer, or the table no schema.
        ValueError: if the decoder is not built, or its outputs are not those of the table.
    """

    decoder_codes: tuple[str, ...] = ("latents",)
    num_classes: int | None = None

    def __init__(
        self,
        decoder: keras.Model,
        num_classes: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        table: TableSchema | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if seed is not None:
            seed = check_integer("seed", seed)
        check_network("decoder", decoder)
        self.decoder = decoder
        self.table = check_table(table, decoder)
        self.table_inputs = None if table is None else TableInputs(table)
        self._table_columns = None if table is None else TableColumns(table)
        if num_classes is not None:
            self.num_classes = num_classes
        self.class_names = check_class_names(class_names, num_classes)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._functions: dict[str, Callable[..., Any]] = {}

    # The hooks.

    def seed_codes(self, seeds: tf.Tensor, labels: tf.Tensor | None = None) -> Tensors:
        """Draws codes from the priors, by the names of the signatures' tensors.

        Args:
            seeds: int64 [batch]; row i depends on seeds[i] and labels[i] alone.
            labels: int64 [batch] on models that know classes: the class of each row; one outside
                [0, num_classes) is drawn. None draws all.

        Returns:
            float32 [batch, ...] by name.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `seed_codes`.")

    def decoder_inputs(self, codes: Tensors) -> tf.Tensor:
        """Joins codes to what the decoder receives: side by side, unless overridden."""
        return tf.concat([codes[name] for name in self.decoder_codes], axis=1)

    def decode_codes(self, codes: Tensors) -> tf.Tensor:
        """Decodes codes to outputs, float32 [batch, ...]."""
        return tf.cast(self.decoder(self.decoder_inputs(codes), training=False), tf.float32)

    def named_outputs(self, outputs: tf.Tensor) -> Tensors:
        """Names outputs of the decoder as signatures do: "outputs", or the columns of a table."""
        return {"outputs": outputs} if self._table_columns is None else self._table_columns(outputs)

    def columns_or_outputs(self, outputs: tf.Tensor) -> Any:
        """Gives what `decode`, `sample` and `reconstruct` answer: outputs, or columns by name."""
        return outputs if self.table is None else self.named_outputs(outputs)

    # What users call.

    def decode(self, z: Any, class_probabilities: Any = None, batch_size: int = 1024) -> Any:
        """Decodes codes.

        Args:
            z: float [n, code_dim], finite.
            class_probabilities: float [n, num_classes], where the decoder receives them beside
                the latents (rows of an identity matrix for known classes); None elsewhere.
            batch_size: rows decoded at a time.

        Returns:
            float32 [n, ...], of the decoder's output shape; of a table a dict of columns, see
            `networks.TableColumns`, text as str.

        Raises:
            ValueError: if an argument is not finite or not of its width, or class probabilities
                are missing or not asked for.
        """
        given = {"latents": z, "class_probabilities": class_probabilities}
        if ("class_probabilities" in self.decoder_codes) != (class_probabilities is not None):
            raise ValueError(
                "Expected `class_probabilities` where the decoder receives them, and only there: "
                f"the decoder of this {type(self).__name__} receives "
                f"{' and '.join(self.decoder_codes)}. Received: "
                f"class_probabilities={class_probabilities!r}."
            )
        widths = self.code_widths()
        rows = [
            data.check_array(given[name], "z" if name == "latents" else name, [widths[name]])
            for name in self.decoder_codes
        ]
        if len({len(array) for array in rows}) > 1:
            raise ValueError(
                "Expected as many `class_probabilities` as `z`. "
                f"Received: z.shape={rows[0].shape}, class_probabilities.shape={rows[1].shape}."
            )
        return self.map_rows(
            "decode",
            lambda *codes: self.columns_or_outputs(
                self.decode_codes(dict(zip(self.decoder_codes, codes, strict=True)))
            ),
            rows,
            batch_size,
        )

    def sample(
        self,
        n: int | None = None,
        labels: Any = None,
        seed: Any = None,
        batch_size: int = 1024,
    ) -> Any:
        """Draws codes from the prior and decodes them.

        Args:
            n: number of samples, zero or more; may be left out when `labels` or `seed` is an
                array.
            labels: on models that know classes: the class of every sample, an integer, or of
                each, integers [n] in [-1, num_classes), or their names; -1 draws it, as None does.
            seed: integer: the samples are a function of it, of `n` and of `labels`; int64 [n]:
                row i is a function of seed[i] and labels[i] alone, the very row that the exported
                `sample` signature gives for them; None draws a seed from the model's generator.
            batch_size: rows decoded at a time.

        Returns:
            float32 [n, ...], of the decoder's output shape; of a table a dict of columns, as
            `decode` gives them.

        Raises:
            TypeError: if labels are no integers.
            ValueError: if `n` is missing or negative, does not match an array of seeds or labels,
                or a label is out of its range or given to a model without classes.

        Example:

        >>> from aae_tf import AAE, networks, priors
        >>> model = AAE(networks.mlp_encoder((8, 8, 1), units=(16,)),
        ...             networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,)),
        ...             prior=priors.gaussian(2), seed=0)
        >>> model.sample(16, seed=0).shape
        (16, 8, 8, 1)
        """
        if n is None and np.ndim(labels) == 1:
            n = len(labels)
        if self.class_names is not None:
            labels = number_names(labels, self.class_names, "labels")
        if seed is None:
            state = self.seed_generator.next().numpy().tolist()
            seed = int(np.random.SeedSequence(state).generate_state(1)[0])
        seeds = row_seeds(n, seed)
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(
                    f"Expected `labels` to be None: {type(self).__name__} knows no classes. "
                    f"Received: labels={labels!r}."
                )
            rows = [seeds]
        else:
            rows = [seeds, row_labels(labels, len(seeds), self.num_classes)]
        return self.map_rows(
            "sample",
            lambda *row: self.columns_or_outputs(self.decode_codes(self.seed_codes(*row))),
            rows,
            batch_size,
        )

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        signature: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes one SavedModel with every signature, or one signature as an ONNX or LiteRT file.

        The signatures are `decode` and `sample`; with an encoder also `encode`, `reconstruct`
        and `score`, and `classify` where there is a classifier. The default is what calling the
        model does: `reconstruct` with an encoder, else `decode`.
        `aae_tf.export.export_servables` writes encoder and decoder apart. Nothing is left at
        `filepath` when a signature, run as TensorFlow Serving, ONNX Runtime or LiteRT runs it,
        does not agree with this model.

        Args:
            filepath: directory to write, not yet there; for "onnx" and "litert" a file, which is
                replaced if it is there.
            format: "tf_saved_model"; "onnx", which needs `pip install "aae_tf[onnx]"`; "litert",
                of a file that ends in ".tflite"; or another format of `keras.Model.export`, which
                then writes what calling the model does.
            verbose: whether a line tells where the export is; None means yes.
            signature: for "onnx" and "litert", the name of the signature; None is the default.
            **kwargs: for "onnx" `opset_version`; for "litert" attributes of
                `tf.lite.TFLiteConverter`; for both `input_signature`, with which Keras' own export
                of the call is taken; for the other formats what Keras takes.

        Raises:
            FileExistsError: if `filepath` exists, for "tf_saved_model".
            ImportError: if the packages of the extra `onnx` are not installed.
            ValueError: if there is no such signature, or one is named for a format that has none;
                for a model of a table, if `format` is not "tf_saved_model".
            aae_tf.export.ExportError: if the export does not verify, or the format has no operation
                for one of the signature's: of `sample` and `score` ONNX and LiteRT have those
                of some priors alone.

        Example:

        >>> from aae_tf import AAE, networks, priors
        >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
        ...             prior=priors.gaussian(2), divergence="mmd", seed=0)
        >>> model.export("/nowhere", format="onnx", signature="classify")
        Traceback (most recent call last):
            ...
        ValueError: Expected `signature` to be one of 'reconstruct', 'encode', 'decode', 'sample',
        'score'. Received: signature='classify'.
        """
        if self.table is not None and format != "tf_saved_model":
            raise ValueError(
                "Expected format='tf_saved_model' for a model of a table: the others have no "
                f"operations on text. Received: format={format!r}."
            )
        of_signature = format in FORMATS and "input_signature" not in kwargs
        if signature is not None and not of_signature:
            raise ValueError(
                "Expected `signature` to be None but for format='onnx' or 'litert' without "
                "`input_signature`. "
                f"Received: signature={signature!r}, format={format!r}."
            )
        if of_signature:
            saved = f"signature {export_signature(self, filepath, format, signature, **kwargs)!r}"
        elif format == "tf_saved_model":
            export_model(self, filepath, **kwargs)
            saved = "every signature"
        else:
            with full_precision(self):
                super().export(filepath, format=format, verbose=verbose, **kwargs)
            return
        if verbose is None or verbose:
            print(f"Saved {saved} at '{filepath}'.")

    def signatures(self) -> dict[str, Signature]:
        """Returns the functions that an export serves, by name, the default first.

        A model without an encoder has `decode` and `sample`.
        """

        def sample(seed: tf.Tensor, label: tf.Tensor | None = None) -> Tensors:
            codes = self.seed_codes(seed, label)
            return {**self.named_outputs(self.decode_codes(codes)), **codes}

        rows = {"seed": tf.TensorSpec([None], tf.int64, "seed")}
        if self.num_classes is not None:
            rows["label"] = tf.TensorSpec([None], tf.int64, "label")
        codes = {
            name: tf.TensorSpec([None, width], tf.float32, name)
            for name, width in self.code_widths().items()
        }
        return {
            "decode": Signature(
                lambda **codes: self.named_outputs(self.decode_codes(codes)), codes
            ),
            "sample": Signature(sample, rows),
        }

    def describe(self) -> dict[str, Any]:
        """Describes the model for the `MODEL_CARD.json` of an export.

        Returns:
            `variant`, `priors` by argument, `num_classes` and `seed`, and the `table` and
            `class_names` where there are, in JSON types.
        """
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        described = {
            name: priors.serialize(value)
            for name, value in arguments.items()
            if isinstance(value, tfp.distributions.Distribution)
        }
        table = {} if self.table is None else {"table": json.loads(self.table.to_json())}
        return {
            "variant": type(self).__name__,
            "priors": described,
            "num_classes": self.num_classes,
            "seed": self.seed,
            **table,
            **({} if self.class_names is None else {"class_names": list(self.class_names)}),
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, as they are in use.

        Raises:
            ValueError: if a prior or a kernel cannot be saved; the message says why.
        """
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            **{n: serialize_argument(v) for n, v in arguments.items() if n not in _OF_ALL},
            "table": None if self.table is None else self.table.to_json(),
            "class_names": None if self.class_names is None else list(self.class_names),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GenerativeModel":
        """Builds the model from what `get_config` returned."""
        table = config.get("table")
        arguments = {name: deserialize_argument(value) for name, value in config.items()}
        return cls(**arguments | {"table": None if table is None else TableSchema.from_json(table)})

    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does; refuses what cannot be saved before it writes.

        Args:
            filepath: path that ends in ".keras".
            *args: further arguments of `keras.Model.save`.
            **kwargs: further arguments of `keras.Model.save`.

        Raises:
            ValueError: if the path ends in ".h5" or ".hdf5", a format that holds neither priors
                nor random states; if a kernel cannot be saved; the message says why.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                "Expected `filepath` to end in '.keras': an HDF5 file of the whole model could not "
                "be loaded (`save_weights` writes '.weights.h5'). "
                f"Received: filepath={str(filepath)!r}."
            )
        self.get_config()
        super().save(filepath, *args, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        """Stores the states of all random generators, which Keras does not, to go on from."""
        super().save_own_variables(store)
        states = self._random_states()
        store["random_states"] = np.stack([state.numpy() for state in states])

    def load_own_variables(self, store: Any) -> None:
        """Restores the states of all random generators."""
        own = {key: store[key] for key in store.keys() if key != "random_states"}  # noqa: SIM118
        super().load_own_variables(own)
        for state, value in zip(self._random_states(), store["random_states"], strict=True):
            state.assign(value)

    def _random_states(self) -> list[keras.Variable]:
        return [v for v in self.variables if v.name == "seed_generator_state"]

    def code_widths(self) -> dict[str, int]:
        """Gives the width of each of `decoder_codes`."""
        graph = tf.function(self.seed_codes, autograph=False).get_concrete_function(
            tf.TensorSpec([None], tf.int64)
        )
        return {name: graph.structured_outputs[name].shape[1] for name in self.decoder_codes}

    def map_rows(
        self,
        name: str,
        function: Callable[..., Any],
        rows: Sequence[np.ndarray],
        batch_size: int,
    ) -> Any:
        """Applies a function of tensors to rows of arrays, batch by batch, in a graph.

        Args:
            name: of the function, whose graph is made once.
            function: tensors [batch, ...], one for each array, to a tensor [batch, ...] or a dict
                of such.
            rows: arrays [n, ...].
            batch_size: rows at a time.

        Returns:
            An array [n, ...], or a dict of such; NaN where a row of any array is not finite.

        Raises:
            RuntimeError: if the process was forked from one in which TensorFlow had run.
        """
        check_threads()
        if name not in self._functions:
            specs = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in rows]
            self._functions[name] = tf.function(
                nan_rows(function), input_signature=specs, autograph=False
            )
        run = self._functions[name]
        check_dimension("batch_size", batch_size)
        # Zero rows run once, too, for the shape of the result.
        starts = range(0, max(len(rows[0]), 1), batch_size)
        slices = [slice(start, start + batch_size) for start in starts]
        parts = [run(*(array[part] for array in rows)) for part in slices]
        return tf.nest.map_structure(join_rows, *parts)


def join_rows(*tensors: tf.Tensor) -> np.ndarray:
    """Puts rows together; text becomes str."""
    rows = np.concatenate([tensor.numpy() for tensor in tensors])
    if rows.dtype == object:
        rows[:] = [text.decode() for text in rows.tolist()]
    return rows


def draw_classes(
    class_prior: tfp.distributions.Distribution, seeds: tf.Tensor, labels: tf.Tensor | None
) -> tf.Tensor:
    """Gives one-hot class codes, float32 [batch, num_classes], row by row.

    Args:
        class_prior: what to draw from.
        seeds: int64 [batch]; a drawn class is a function of its seed alone.
        labels: int64 [batch]; one outside of the classes, and every one if None, is drawn.
    """
    return priors.sample_rows(class_prior, priors.fold_rows(seeds, _CLASS_STREAM), labels)
