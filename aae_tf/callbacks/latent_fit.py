"""A callback that tests whether codes follow their priors."""

import math
from typing import Any

import keras
import numpy as np

from aae_tf import data, mmd
from aae_tf.checks import check_dimension, check_integer
from aae_tf.models import BaseAAE
from aae_tf.training.prior_mismatch import mismatch_noise, sample_codes

_NUM_ROWS = 2000


class LatentFit(keras.callbacks.Callback):
    """Tests at the end of epochs whether codes of held-out inputs follow their priors.

    For every code of `model.codes`, a sample of its posterior per input is compared with the prior
    under `mmd.default_kernel`. The numbers are added to the logs of every epoch; they are computed
    after the first and after every k-th one, and repeated in between. They are NaN where the loss
    or a code is not finite.

    Keras passes one dictionary of logs to all callbacks, in the order of `callbacks`, and to its
    own `History` and progress bar last. Give this callback BEFORE `CSVLogger`, `TensorBoard`,
    `EarlyStopping` or `ModelCheckpoint`, so that they see the numbers.

    The model is not trained on the inputs and its random numbers are not drawn from: the weights
    are the same with and without this callback.

    Args:
        x: float [n, ...], held-out inputs, at least two; of more than 2,000 rows, 2,000 chosen at
            random.
        every: k, in epochs.
        num_bootstrap: number of random statistics per p-value, a multiple of
            1 / (num_bootstrap + 1).
        seed: integer in [0, 2^31) that fixes the rows, the noise of the codes and the test. Every
            epoch uses the same, so that the numbers change with the model alone.

    Attributes:
        x: float32, the rows in use.

    Logs:
        `<code>_standardized_mmd`: the unbiased MMD^2 in standard deviations of its noise, below 2
            where codes and prior cannot be told apart; see `mmd.standardized_mmd`.
        `<code>_p_value`: in (0, 1], the probability that samples of the prior give as large a
            value; see `mmd.goodness_of_fit`. With thousands of rows it is small for any model that
            is not perfect; `<code>_standardized_mmd` measures by how much.

    Raises:
        TypeError: if an argument has the wrong type; from `fit`, if the model is none of this
            package with an encoder.
        ValueError: if an argument is out of its domain; from `fit`, if `x` is not of the encoder's
            input shape.

    Example:

    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> x = np.random.default_rng(0).random((64, 4), "float32")
    >>> history = model.fit(x[:32], epochs=2, verbose=0, callbacks=[LatentFit(x[32:])]).history
    >>> len(history["latent_p_value"]), len(history["latent_standardized_mmd"])
    (2, 2)

    References:
        Gretton et al. 2012, lemma 6 and theorem 12.
    """

    def __init__(self, x: Any, every: int = 1, num_bootstrap: int = 200, seed: int = 0) -> None:
        super().__init__()
        self.every = check_dimension("every", every)
        self.num_bootstrap = check_dimension("num_bootstrap", num_bootstrap)
        self.seed = check_integer("seed", seed, maximum=2**31 - 1)
        x = data.check_array(x, "x")
        if len(x) < 2:
            raise ValueError(
                f"Expected `x` to have at least two rows. Received: x.shape={x.shape}."
            )
        if len(x) > _NUM_ROWS:
            x = x[np.random.default_rng(seed).permutation(len(x))[:_NUM_ROWS]]
        self.x = x
        self._kernels: dict[str, Any] = {}
        self._noise: dict[str, float] = {}
        self._numbers: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Checks the model, and computes the kernels and the noise under its priors."""
        if not isinstance(self.model, BaseAAE):
            raise TypeError(
                "Expected LatentFit to be given to the `fit` of a model of aae_tf with an encoder. "
                f"Received: model={self.model!r}."
            )
        data.check_array(self.x, "x", self.model.encoder.input_shape[1:])
        self._numbers = {}
        for name, code in self.model.codes.items():
            kernel = mmd.default_kernel(code.prior)
            self._kernels[name] = kernel
            self._noise[name] = mismatch_noise(code.prior, kernel, len(self.x))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds the numbers to `logs`."""
        logs = {} if logs is None else logs
        if not self._numbers or (epoch + 1) % self.every == 0:
            is_finite = math.isfinite(logs.get("loss", 0.0))
            # Without labels, a code that labels guide is compared with its whole prior.
            samples = sample_codes(self.model, self.x, None, self.seed) if is_finite else {}
            self._numbers = {
                key: number
                for name in self.model.codes
                for key, number in self._test(name, samples.get(name)).items()
            }
        logs.update(self._numbers)

    def _test(self, name: str, codes: np.ndarray | None) -> dict[str, float]:
        standardized = p_value = math.nan
        if codes is not None and np.isfinite(codes).all():
            result = mmd.goodness_of_fit(
                codes,
                self.model.codes[name].prior,
                self._kernels[name],
                self.num_bootstrap,
                self.seed,
            )
            standardized = float(result.statistic) / self._noise[name]
            p_value = float(result.p_value)
        return {f"{name}_standardized_mmd": standardized, f"{name}_p_value": p_value}
