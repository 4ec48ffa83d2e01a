"""What a model of the family does with codes, before and after training."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from aae_tf import data, priors
from aae_tf.checks import check_dimension, check_integer

Tensors = dict[str, tf.Tensor]


class Codec(keras.Model):
    """An encoder and a decoder with codes between them: encode, decode, reconstruct, sample.

    A variant implements four functions of tensors, which the methods below, the exported
    signatures and training all go through:

    - `mean_codes`: inputs to codes;
    - `seed_codes`: seeds to codes drawn from the priors;
    - `decoder_inputs`: codes to what the decoder receives;
    - `prior_log_prob`: codes to their log density under the priors.

    Args:
        encoder: built Keras model, [batch, ...] to features [batch, feature_dim].
        decoder: built Keras model, [batch, n] to outputs of the encoder's input shape.
        seed: non-negative integer for all randomness of the model; None draws anew.
        name: name of the model.

    Raises:
        TypeError: if a network is not a Keras model.
        ValueError: if a network is not built, or the shapes do not fit.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if seed is not None:
            seed = check_integer("seed", seed)
        _check_network("encoder", encoder)
        _check_network("decoder", decoder)
        if len(encoder.output_shape) != 2:
            raise ValueError(
                "Expected `encoder` to give features [batch, feature_dim]; add a Flatten layer. "
                f"Received: encoder with output_shape={encoder.output_shape}."
            )
        if decoder.output_shape != encoder.input_shape:
            raise ValueError(
                "Expected `decoder` to give outputs of the shape that `encoder` takes, "
                f"{encoder.input_shape}. Received: decoder with output_shape="
                f"{decoder.output_shape}."
            )
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._functions: dict[str, Callable[..., Any]] = {}

    # What a variant says of itself.

    def mean_codes(self, inputs: tf.Tensor) -> Tensors:
        """Encodes inputs to the mean of their codes, by the name of the signature's output."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `mean_codes`.")

    def seed_codes(self, seeds: tf.Tensor) -> Tensors:
        """Draws codes from the priors, row i from seeds[i] alone; names as in `mean_codes`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `seed_codes`.")

    def decoder_inputs(self, codes: Tensors) -> tf.Tensor:
        """Puts codes, named as in `mean_codes`, together to what the decoder receives."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `decoder_inputs`.")

    def prior_log_prob(self, codes: Tensors) -> tf.Tensor:
        """Gives the log density of codes under the priors, nats, [batch]."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `prior_log_prob`.")

    def decode_codes(self, codes: Tensors) -> tf.Tensor:
        """Decodes codes to outputs, float32 [batch, ...]."""
        return tf.cast(self.decoder(self.decoder_inputs(codes), training=False), tf.float32)

    # What users call.

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Reconstructs inputs from the mean of their codes; training takes another way."""
        return self.decoder(self.decoder_inputs(self.mean_codes(inputs)), training=False)

    def encode(self, x: Any, batch_size: int = 1024) -> np.ndarray:
        """Encodes inputs to the mean of their codes.

        Args:
            x: float [n, ...], finite, of the encoder's input shape.
            batch_size: rows encoded at a time.

        Returns:
            float32 [n, code_dim].

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.
        """
        x = self._check_inputs("x", x)
        return self._in_batches("encode", lambda i: self.mean_codes(i)["latents"], x, batch_size)

    def decode(self, z: Any, batch_size: int = 1024) -> np.ndarray:
        """Decodes codes.

        Args:
            z: float [n, code_dim], finite.
            batch_size: rows decoded at a time.

        Returns:
            float32 [n, ...], of the decoder's output shape.

        Raises:
            ValueError: if `z` is not finite, or its width is not the code's.
        """
        z = data.check_array(z, "z", self.decoder.input_shape[1:])
        return self._in_batches(
            "decode", lambda c: self.decode_codes({"latents": c}), z, batch_size
        )

    def reconstruct(self, x: Any, batch_size: int = 1024) -> np.ndarray:
        """Encodes inputs to the mean of their codes, and decodes these.

        Args:
            x: float [n, ...], finite, of the encoder's input shape.
            batch_size: rows at a time.

        Returns:
            float32 [n, ...].

        Raises:
            ValueError: if `x` is not finite, or its shape is not the encoder's.
        """
        x = self._check_inputs("x", x)
        return self._in_batches(
            "reconstruct", lambda i: self.decode_codes(self.mean_codes(i)), x, batch_size
        )

    def sample(self, n: int | None = None, seed: Any = None, batch_size: int = 1024) -> np.ndarray:
        """Draws codes from the prior and decodes them.

        Args:
            n: number of samples, zero or more; may be left out when `seed` is an array.
            seed: integer: the samples are a function of it and of `n`; int64 [n]: row i is a
                function of seed[i] alone, the very row that the exported `sample` signature
                gives for that seed; None draws a seed from the model's generator.
            batch_size: rows decoded at a time.

        Returns:
            float32 [n, ...], of the decoder's output shape.

        Raises:
            ValueError: if `n` is missing or negative, or does not match an array of seeds.

        Example:

        >>> from aae_tf import AAE, networks, priors
        >>> model = AAE(networks.mlp_encoder((8, 8, 1), units=(16,)),
        ...             networks.mlp_decoder((8, 8, 1), code_dim=2, units=(16,)),
        ...             prior=priors.gaussian(2), seed=0)
        >>> model.sample(16, seed=0).shape
        (16, 8, 8, 1)
        """
        seeds = self._row_seeds(n, seed)
        return self._in_batches(
            "sample",
            lambda s: self.decode_codes(self.seed_codes(s)),
            seeds,
            batch_size,
        )

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes one SavedModel with every signature, for TensorFlow Serving and others.

        The signatures are `encode`, `decode`, `sample`, `reconstruct` and `score`; the default is
        `reconstruct`, which is what calling the model does. `aae_tf.export.export_servables`
        writes encoder and decoder apart. Nothing is left at `filepath` when a signature, run
        as TensorFlow Serving runs it, does not agree with this model.

        Args:
            filepath: directory to write, not yet there.
            format: "tf_saved_model", or another format of `keras.Model.export`, which then
                writes the reconstruction alone.
            verbose: whether a line tells where the export is; None means yes.
            **kwargs: for the other formats only.

        Raises:
            FileExistsError: if `filepath` exists.
            aae_tf.export.ExportError: if the export does not verify.
        """
        if format != "tf_saved_model":
            super().export(filepath, format=format, verbose=verbose, **kwargs)
            return
        # Keras' verb lives on the model, the writer in the layer above it.
        from aae_tf import export

        export.export_model(self, filepath, **kwargs)
        if verbose is None or verbose:
            print(f"Saved every signature at '{filepath}'.")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that every model of the family has."""
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "seed": self.seed,
        }

    def save(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Saves as `keras.Model.save` does; refuses what cannot be saved before it writes.

        Args:
            filepath: path that ends in ".keras".
            *args: further arguments of `keras.Model.save`.
            **kwargs: further arguments of `keras.Model.save`.

        Raises:
            ValueError: if a prior or a kernel cannot be saved; the message says why.
        """
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

    def _row_seeds(self, n: int | None, seed: Any) -> np.ndarray:
        if seed is None:
            state = self.seed_generator.next().numpy().tolist()
            seed = int(np.random.SeedSequence(state).generate_state(1)[0])
        seeds = np.asarray(seed)
        if seeds.ndim == 0:
            if n is None:
                raise ValueError(
                    "Expected `n` to be given where `seed` is one integer. Received: n=None."
                )
            return priors.row_seeds(n, int(seeds))
        if (
            seeds.ndim != 1
            or not np.issubdtype(seeds.dtype, np.integer)
            or n not in (None, len(seeds))
        ):
            raise ValueError(
                "Expected `seed` to be an integer, or one integer for each of `n` rows. "
                f"Received: n={n}, seed with shape={seeds.shape}, dtype={seeds.dtype}."
            )
        return seeds.astype(np.int64)

    def _check_inputs(self, argument: str, x: Any) -> np.ndarray:
        return data.check_array(x, argument, self.encoder.input_shape[1:])

    def _in_batches(
        self, name: str, function: Callable[[tf.Tensor], tf.Tensor], rows: np.ndarray, size: int
    ) -> np.ndarray:
        if name not in self._functions:
            spec = tf.TensorSpec([None, *rows.shape[1:]], rows.dtype)
            self._functions[name] = tf.function(function, input_signature=[spec])
        run = self._functions[name]
        check_dimension("batch_size", size)
        # Zero rows still run once, for the shape of nothing.
        starts = range(0, max(len(rows), 1), size)
        return np.concatenate([run(rows[start : start + size]).numpy() for start in starts])


def _check_network(argument: str, network: Any) -> None:
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"Expected `{argument}` to be a keras.Model. Received: {argument}={network!r}."
        )
    if not network.built or not isinstance(getattr(network, "input_shape", None), tuple):
        raise ValueError(
            f"Expected `{argument}` to be a built model with one input: make it with the "
            "functional API, or give a Sequential its keras.Input. "
            f"Received: {argument}={network!r}."
        )
