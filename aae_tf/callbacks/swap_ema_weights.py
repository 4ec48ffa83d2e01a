"""Averaged weights while a model is evaluated."""

from typing import Any

import keras


class SwapEMAWeights(keras.callbacks.Callback):
    """Puts the averages of weights in the place of the weights while a model is evaluated.

    `keras.callbacks.SwapEMAWeights` for models of several optimizers: each optimizer that has
    `use_ema=True` averages the weights that it moves, and all of them are swapped. When `fit`
    ends, the model has the averages in any case, for `save` and `export`.

    Args:
        swap_on_epoch: whether the model has the averages from the end of an epoch to the beginning
            of the next, for callbacks after this one, such as ModelCheckpoint.

    Raises:
        ValueError: in `fit`, `evaluate` or `predict`, if no optimizer averages weights.

    Example:

    >>> import numpy as np
    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(16,), seed=1),
    ...             networks.mlp_decoder((4,), code_dim=2, units=(16,), seed=2),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9))
    >>> inputs = np.random.default_rng(0).random((60, 4))
    >>> history = model.fit(inputs, validation_data=inputs, callbacks=[SwapEMAWeights()], verbose=0)
    >>> "val_loss" in history.history
    True

    References:
        Polyak and Juditsky 1992, *Acceleration of Stochastic Approximation by Averaging*; for
        adversarial training Yazici et al. 2019, *The Unusual Effectiveness of Averaging in GAN
        Training*.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Goes on with the weights themselves."""
        self._use(False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes the averages until the next epoch, if it is asked for."""
        if self.swap_on_epoch:
            self._use(True)

    def on_test_begin(self, logs: Any = None) -> None:
        """Takes the averages for an evaluation."""
        self._use(True)

    def on_test_end(self, logs: Any = None) -> None:
        """Goes on with the weights themselves."""
        self._use(False)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Takes the averages for predictions."""
        self._use(True)

    def on_predict_end(self, logs: Any = None) -> None:
        """Goes on with the weights themselves."""
        self._use(False)

    def _use(self, in_use: bool) -> None:
        averages = self.model.trainer.averages
        if not averages.exist:
            raise ValueError(
                "Expected an optimizer to average weights. Received: none with use_ema=True."
            )
        averages.use(in_use)
