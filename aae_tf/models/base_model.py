"""The base class of every model that is trained: its hooks, `compile`, `fit`, and the steps."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from aae_tf import replicas
from aae_tf.losses import LossTerm, StandardizedError
from aae_tf.losses.weights import Weight
from aae_tf.models.arguments import serialize_argument
from aae_tf.models.array_pipeline import batch_arrays, batch_training_arrays
from aae_tf.models.generative_model import GenerativeModel
from aae_tf.models.hooks_of_keras import (
    add_callbacks,
    check_add_loss,
    check_callbacks,
    check_overrides,
    check_unknown,
    weigh_classes,
)
from aae_tf.models.input_check import InputCheck, check_call, name_arguments
from aae_tf.models.inputs import InputRules, LabelRule, check_call_spec, unpack_batch
from aae_tf.models.weight_seeds import weight_seeds
from aae_tf.training.balance import Balance
from aae_tf.training.guard import Guard
from aae_tf.training.objective import check_rows, divergences_of
from aae_tf.training.own_terms import asks_for, check_terms
from aae_tf.training.prior_mismatch import warn_of_mismatch
from aae_tf.training.reconstruction_loss import Identifier, default_loss, output_activation
from aae_tf.training.schedules import SCHEDULES
from aae_tf.training.terms import Batch, Code, ExtraTerm, Tensors
from aae_tf.training.trainer import OptimizerIdentifier, Trainer

Metric: TypeAlias = "str | keras.metrics.Metric | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]"

_STATE = "training_state"


class BaseModel(GenerativeModel):
    """A `GenerativeModel` that is trained: its codes are matched to their priors.

    A model implements

    - `sample_codes`: a batch to one sample of each code, for training;
    - `extra_terms`, if it has any: further terms of the encoder's loss, and values to log;
    - `compare_arguments`, where a divergence compares with more than the prior;
    - `check_labels`, if it looks at labels before training starts.

    Training is described by `aae_tf.training`: `compile` makes a `Trainer`, and `train_step` calls
    its `step`.

    schedule="joint": one pass of encoder and decoder. They lower reconstruction + sum of
    weight * divergence + extra terms, the discriminators lower their own losses on the same codes.

    schedule="alternating": the order of the paper. Encoder and decoder lower the reconstruction
    loss; then, on fresh codes, the discriminators are updated; then the encoder lowers the
    divergences, against the discriminators just updated, and the extra terms.

    Args:
        decoder: built Keras model, [batch, n] to outputs [batch, ...].
        codes: what is matched, by the name of the code, the prefix of its logs.
        num_classes: how many classes or clusters the model knows; None if it knows none.
        seed: non-negative integer that fixes weights, noise and prior samples; None draws anew,
            from Keras' generator, which `keras.utils.set_random_seed` fixes.
        name: name of the model.
        extra_terms: `losses.LossTerm`s, lowered with the divergences. Every model takes them by
            this name. One that asks for labels makes a model look at them that would not.

    Attributes:
        codes: the argument.
        loss_terms: the argument `extra_terms`, whose name is that of the hook.
        trainer: what `compile` made; None before.

    References:
        Makhzani et al. 2016, sections 2 and 2.1.
    """

    # Whether inputs are reconstructed from their codes.
    reconstructs: bool = True
    schedules: tuple[str, ...] = tuple(SCHEDULES)
    # Which labels `fit` asks for: "none" are looked at, "any", "some" known ones, or "all".
    labels: str = "none"
    # None until `compile`, without which Keras makes no step.
    trainer: Trainer = None  # type: ignore[assignment]

    def __init__(
        self,
        decoder: keras.Model,
        codes: Mapping[str, Code],
        num_classes: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        extra_terms: Sequence[LossTerm] = (),
        **kwargs: Any,
    ) -> None:
        loss_terms = check_terms(extra_terms)
        if kwargs.get("table") is not None and not self.reconstructs:
            raise ValueError(
                "Expected no `table`: it describes the columns of inputs that are reconstructed. "
                f"Received: table with model={type(self).__name__}."
            )
        super().__init__(decoder, num_classes=num_classes, seed=seed, name=name, **kwargs)
        self.loss_terms = loss_terms
        if self.labels == "none" and asks_for(loss_terms, "labels"):
            self.labels = "any"
        # Reset with the metrics: evaluating twice gives the same numbers, and evaluating in the
        # middle of training does not change what is trained.
        self._evaluation_seed_generator = keras.random.SeedGenerator(0)
        seeds = weight_seeds(seed, num_codes=len(codes))
        for code, code_seed in zip(codes.values(), seeds.divergences, strict=True):
            code.connect(code_seed)
        self.codes = dict(codes)
        # An attribute, so that Keras saves and trains the layers of all codes.
        self._divergences = divergences_of(self)
        self._compile_arguments: dict[str, Any] = {}
        self.built = True

    @property
    def column_losses(self) -> Any:
        """The reconstruction loss if it tells columns apart, as that of a table does, else None."""
        compiled = self._compile_arguments.get("reconstruction_loss")
        if hasattr(compiled, "per_column"):
            return compiled
        default = default_loss(self.table, self.decoder)
        return default if hasattr(default, "per_column") else None

    @property
    def restores_units(self) -> bool:
        """Whether the decoder ends in an inverted normalization: outputs have units."""
        return self.table is None and StandardizedError.of_decoder(self.decoder) is not None

    # The hooks.

    def sample_codes(self, batch: Batch, seed: tf.Tensor, training: bool) -> Tensors:
        """Gives one sample of each code for a batch; names as in `seed_codes`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `sample_codes`.")

    def extra_terms(
        self, codes: Tensors, batch: Batch, seed: tf.Tensor, training: bool
    ) -> dict[str, ExtraTerm]:
        """Measures further terms of the encoder's loss, by their log keys.

        Those of the argument `extra_terms` are not among them.
        """
        return {}

    def compare_arguments(self, code: str, batch: Batch) -> dict[str, tf.Tensor]:
        """Gives what the divergence of a code compares with, where that is not the prior alone."""
        return {}

    def check_labels(self, labels: np.ndarray | None) -> None:
        """Looks at labels that are valid before training starts; may warn."""

    def add_loss(self, loss: Any) -> None:
        """Refuses a loss that no step would count; see `extra_terms`.

        Raises:
            ValueError: unless the class has a `train_step` of its own.
        """
        check_add_loss(self)
        super().add_loss(loss)

    # Training.

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        discriminator_optimizer: OptimizerIdentifier = None,
        reconstruction_loss: Identifier | None = None,
        schedule: str = "joint",
        reconstruction_weight: Weight = 1.0,
        regularization_optimizer: OptimizerIdentifier = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        guard: Guard | bool | None = True,
        balance: Balance | str = "fixed",
        discriminator_steps: int = 1,
        log_gradient_norms: bool = False,
        metrics: Sequence[Metric] | None = None,
        weighted_metrics: Sequence[Metric] | None = None,
        **unknown: Any,
    ) -> None:
        """Configures training.

        A callback of Keras that changes the rate of `optimizer` at the beginning or end of an
        epoch, such as ReduceLROnPlateau, moves all rates in proportion. A schedule inside an
        optimizer is copied to those that are left None.

        Args:
            optimizer: Keras optimizer or its name, for encoder and decoder.
            discriminator_optimizer: the same for the discriminators; None takes a copy of
                `optimizer`. Not used where no code has a discriminator, so that a model compiles
                alike whatever its divergence.
            reconstruction_loss: None is "half_squared_error"; of a table
                `losses.ColumnLosses(table)`; of a decoder that ends in an inverted
                `keras.layers.Normalization` `losses.StandardizedError`, in its units.
                "half_squared_error" (0.5 |x - x'|^2), "bernoulli" (both in nats, summed over
                features, averaged over the batch), or a callable of (inputs, outputs) that
                returns [batch, ...], summed likewise; register it with
                `keras.saving.register_keras_serializable`, or a saved model will not load. Or a
                loss of Keras, by name ("mse", "mae"), class or instance, whose number is that of
                Keras: averaged over features and batch, unless its `reduction` is "sum" or None,
                when it is summed over features and averaged over the batch.
            schedule: "joint" or "alternating", see the class.
            reconstruction_weight: factor of the reconstruction loss: a number, zero or more, or a
                Keras schedule of the steps made.
            regularization_optimizer: for the encoder's update in the regularization phase of the
                alternating schedule; None takes a copy of `optimizer`. Refused in the joint one,
                which has no such phase.
            run_eagerly: whether steps run without a graph, for debugging.
            steps_per_execution: batches per call of the compiled function.
            jit_compile: whether XLA compiles the step. "auto" follows Keras: on where there is
                an accelerator, off on CPU, where it saved up to a tenth of a step and took
                seconds to compile.
            auto_scale_loss: whether each optimizer scales its loss where a layer computes in
                float16, whose smallest numbers gradients fall below.
            guard: which updates are rejected lest they end the training: a `models.Guard`; True
                is the default one, False or None is none.
            balance: "fixed": every optimizer keeps its rate; "adaptive", or a `models.Balance`: the
                rate of each discriminator is controlled, and `<code>_steepness` and
                `<code>_rate_factor` are logged, as means over the steps.
            discriminator_steps: updates of the discriminators for one of the encoder, on the same
                codes and new samples of the priors.
            log_gradient_norms: whether `reconstruction_gradient_norm` and
                `<code>_gradient_norm` are logged: the norm of the gradient of each term of the
                loss, weighted, at the encoder's weights. Costs a backward pass for each.
            metrics: metrics of Keras, or their names: of the outputs that `reconstruction_loss`
                compares, in training and evaluation. None costs nothing.
            weighted_metrics: the same, weighted by `sample_weight`.
            **unknown: refused; `loss` of `keras.Model.compile` is `reconstruction_loss` here.

        Raises:
            ValueError: if an argument is out of its range; if metrics are given to a model that
                reconstructs nothing; if the class overrides a method of Keras that training does
                not call, see `check_overrides`.
            TypeError: if `reconstruction_loss` is neither a name nor callable, or another argument
                is unknown or of a wrong type.

        Warns:
            UserWarning: if the class overrides `call`, which training does not go through.
        """
        check_unknown(unknown)
        if reconstruction_loss is None:
            reconstruction_loss = default_loss(self.table, self.decoder)
        has_metrics = bool(metrics or weighted_metrics)
        if has_metrics and not self.reconstructs:
            raise ValueError(
                "Expected no `metrics`: they compare outputs with inputs, and "
                f"{type(self).__name__} reconstructs none. Received: metrics={metrics!r}, "
                f"weighted_metrics={weighted_metrics!r}."
            )
        check_overrides(self)
        strategy = self.distribute_strategy
        replicas.check_strategy(strategy, jit_compile, steps_per_execution, self.seed)
        # The networks may have been built under another policy than the model.
        layers = self._flatten_layers()
        is_float16 = any(layer.compute_dtype == "float16" for layer in layers)
        # Everything is resolved and checked before the model changes.
        trainer = Trainer(
            self,
            {name: SCHEDULES[name] for name in self.schedules},
            optimizer=optimizer,
            discriminator_optimizer=discriminator_optimizer,
            regularization_optimizer=regularization_optimizer,
            reconstruction_loss=reconstruction_loss,
            schedule=schedule,
            reconstruction_weight=reconstruction_weight,
            scale_losses=auto_scale_loss and is_float16,
            guard=guard,
            balance=balance,
            discriminator_steps=discriminator_steps,
            log_gradient_norms=log_gradient_norms,
            with_outputs=has_metrics,
        )
        keras_arguments = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
            "auto_scale_loss": auto_scale_loss,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        # Keras keeps those of a former `compile` where none are given.
        self._compile_metrics = None
        super().compile(optimizer=trainer.optimizers["optimizer"], **keras_arguments)
        replicas.synchronize_batch_normalization(self._flatten_layers(), strategy)
        trainer.use_branches(not self.jit_compile or strategy.num_replicas_in_sync > 1)
        self.trainer = trainer
        self.schedule = schedule
        # Attributes, so that Keras saves their moments.
        self.discriminator_optimizer = trainer.optimizers.get("discriminator_optimizer")
        self.regularization_optimizer = trainer.optimizers.get("regularization_optimizer")
        # As Keras sets its own, and not as one more metric of the model.
        object.__setattr__(self, "_loss_tracker", trainer.loss)
        self._compile_arguments = {**trainer.config, **keras_arguments}
        if has_metrics:
            trainer.metric_names = self._make_metrics()

    def get_compile_config(self) -> dict[str, Any] | None:
        """Returns the arguments of `compile`, optimizers included; None before it is called."""
        if not self.compiled:
            return None
        return keras.saving.serialize_keras_object(self._compile_arguments)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was; every optimizer is built to be restored."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains as `keras.Model.fit` does; data are checked first, whichever way they come in.

        Args:
            x: inputs [n, ...] as an array, frame or tensor of any library, or a tf.data.Dataset,
                PyDataset or generator of batches: `inputs`, `(inputs, y)` or
                `(inputs, y, sample_weight)`. Of a model with a table, inputs are a frame or a dict
                of columns [n], or the features that `networks.TableFeatures` makes of them.
            y: labels where the model uses them: integers [n], -1 where unknown. On models that
                reconstruct, also targets [n, ...] of the inputs' shape, which outputs are compared
                with in place of the inputs (denoising); beside labels, as a dict of "targets" and
                "labels".
            *args: further arguments of `keras.Model.fit`.
            **kwargs: further arguments of `keras.Model.fit`. `sample_weight` [n] weighs an
                example in the reconstruction loss and its code in the aggregated posterior.
                `shuffle` orders the rows of arrays by the state of `seed_generator` as an epoch
                starts: by the model's seed and the steps made, in a resumed training, too.

        Returns:
            `keras.callbacks.History`.

        Raises:
            TypeError: if inputs are no floats, or labels no integers.
            ValueError: if inputs are not finite or not of the right shape; if labels are missing,
                out of their range, or leave out a class. Of a pipeline the first batch is looked
                at, and the range of labels in all.

        Warns:
            UserWarning: of data that the decoder can not give, such as unscaled pixels; and after
                training, where the guard left out more than 1% of the updates, or where codes
                miss their prior. At most 1,000 rows of `validation_data` are looked at for that,
                else of an array `x`, after 500 updates or more on one replica.
        """
        arguments = name_arguments(super().fit, x, y, *args, **kwargs)
        check, validation_check = (InputCheck(self._input_rules(each)) for each in (True, False))
        if arguments.get("validation_data") is not None:
            arguments["validation_data"] = validation_check.check_validation(
                arguments["validation_data"]
            )
        arguments = check.check_arguments(arguments)
        labels = arguments["y"]
        self.check_labels(labels["labels"] if isinstance(labels, dict) else labels)
        if isinstance(x, tf.data.Dataset):
            weighed = weigh_classes(arguments["x"], arguments.get("class_weight"))
            if weighed is not None:
                arguments |= {"x": weighed, "class_weight": None}
        if isinstance(x, tf.data.Dataset) or inspect.isgenerator(x):
            # Keras would warn that its own default is ignored.
            arguments.setdefault("shuffle", False)
        if self.trainer is None:
            return super().fit(**arguments)
        optimizers = self.trainer.optimizers
        if len(optimizers) > 1:
            check_callbacks(arguments.get("callbacks"))
        arguments["callbacks"] = add_callbacks(arguments.get("callbacks"), self.trainer.callbacks())
        on_replicas = self.distribute_strategy.num_replicas_in_sync > 1
        batched = arguments if on_replicas else batch_training_arrays(arguments, self._shuffler)
        with (
            check.readable_errors(),
            validation_check.readable_errors(),
            self.trainer.averages.finalized(optimizers["optimizer"]),
        ):
            first = int(optimizers["optimizer"].iterations.numpy())
            history = super().fit(**batched)
        if self.reconstructs and not on_replicas:
            updates = int(optimizers["optimizer"].iterations.numpy()) - first
            warn_of_mismatch(self, arguments, updates, stacklevel=3)
        return history

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the losses as `keras.Model.evaluate` does, on checked data; see `fit`."""
        arguments = name_arguments(super().evaluate, x, y, *args, **kwargs)
        check = InputCheck(self._input_rules())
        # `fit` has checked its validation data, and hands them over in every epoch.
        if not arguments.get("_use_cached_eval_dataset"):
            arguments = check.check_arguments(arguments)
            if self.trainer is not None and len(self.trainer.optimizers) > 1:
                check_callbacks(arguments.get("callbacks"))
            if self.distribute_strategy.num_replicas_in_sync == 1:
                arguments = batch_arrays(arguments)
        with check.readable_errors():
            return super().evaluate(**arguments)

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Makes one step as `keras.Model.train_on_batch` does, on a checked batch; see `fit`."""
        arguments = name_arguments(super().train_on_batch, x, y, *args, **kwargs)
        check = InputCheck(self._input_rules(fitting=True, whole=False))
        with check.readable_errors():
            return super().train_on_batch(**check.check_arguments(arguments))

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures as `keras.Model.test_on_batch` does, on a checked batch; see `fit`."""
        arguments = name_arguments(super().test_on_batch, x, y, *args, **kwargs)
        check = InputCheck(self._input_rules(whole=False))
        with check.readable_errors():
            return super().test_on_batch(**check.check_arguments(arguments))

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the model on batches as `keras.Model.predict` does, on checked inputs."""
        arguments = name_arguments(super().predict, x, *args, **kwargs)
        arguments["x"] = check_call(x, self._call_rules())
        if self.distribute_strategy.num_replicas_in_sync == 1:
            arguments = batch_arrays(arguments)
        return super().predict(**arguments)

    def predict_on_batch(self, x: Any) -> Any:
        """Calls the model as `keras.Model.predict_on_batch` does, on checked inputs."""
        return super().predict_on_batch(check_call(x, self._call_rules()))

    def predict_step(self, data: Any) -> tf.Tensor:
        """Calls the model on a batch."""
        check_call_spec(keras.utils.unpack_x_y_sample_weight(data)[0], self._call_rules())
        return super().predict_step(data)

    def train_step(self, data: Any) -> Tensors:
        """Makes one step on a batch, of which each replica may have a part; see the schedules."""
        with replicas.spanning(keras.utils.unpack_x_y_sample_weight(data)[0]):
            batch = unpack_batch(data, self._input_rules(fitting=True, whole=False))
            return self.trainer.step(batch, tf.cast(self.seed_generator.next(), tf.int32))

    def test_step(self, data: Any) -> Tensors:
        """Measures the terms of the loss on a batch."""
        with replicas.spanning(keras.utils.unpack_x_y_sample_weight(data)[0]):
            batch = unpack_batch(data, self._input_rules(whole=False))
            seed = tf.cast(self._evaluation_seed_generator.next(), tf.int32)
            return self.trainer.evaluate(batch, seed)

    def _shuffler(self, epoch: int) -> np.random.Generator:
        """Makes what shuffles the rows of an array in an epoch.

        Its seed is the state of the model's random numbers as the epoch starts, so that an order
        is fixed by the model's seed and the steps made, in a training that was resumed, too.
        """
        return np.random.default_rng(np.asarray(self.seed_generator.state, np.uint32))

    # Keras': what `fit` calls with an iterator, None until it is made.
    train_function: Callable[[Any], Any] | None

    def make_train_function(self, force: bool = False) -> None:
        """Makes what `fit` calls, and lets the guard's monitor look at it."""
        is_new = self.train_function is None or force
        super().make_train_function(force)
        monitor = self.trainer.monitor if self.trainer is not None else None
        if is_new and monitor is not None and self.train_function is not None:
            self.train_function = monitor.watch(self.train_function, self.steps_per_execution)

    # Metrics.

    def _make_metrics(self) -> tuple[str, ...]:
        """Makes the variables of the metrics that `compile` was given, and returns their names."""
        outputs = tf.zeros((2, *self.decoder.output_shape[1:]))
        # Keras makes them at the first batch, which would be within a graph.
        with self.distribute_strategy.scope(), keras.StatelessScope():
            results = self.compute_metrics(outputs, outputs, outputs, tf.ones([2]))
        return tuple(name for name in results if name != "loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of Keras, and the means of the logs that have been made."""
        means = [] if self.trainer is None else self.trainer.means.metrics.values()
        return [*super().metrics, *means]

    def reset_metrics(self) -> None:
        """Resets the metrics and restarts the random numbers of evaluation."""
        super().reset_metrics()
        state = self._evaluation_seed_generator.state
        state.assign(tf.zeros_like(state.value))

    def get_metrics_state(self) -> dict[str, np.ndarray]:
        """Returns the values of all metrics by "key/variable", to go on within an epoch."""
        return {
            f"{name}/{variable.name}": variable.numpy()
            for name, metric in self._named_metrics().items()
            for variable in metric.variables
        }

    def set_metrics_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Sets the metrics to what `get_metrics_state` returned, in a model compiled alike.

        Raises:
            ValueError: if the model is not compiled, or a name is not that of a metric's variable.
        """
        if self.trainer is None:
            raise ValueError("Expected the model to be compiled. Received: no `compile` yet.")
        # Means that are not made yet must be those of all replicas.
        with self.distribute_strategy.scope():
            for name, value in state.items():
                key, _, part = name.rpartition("/")
                metric = self._named_metrics().get(key)
                if metric is None and key:
                    metric = self.trainer.means.metric(key)
                variables = {v.name: v for v in metric.variables} if metric else {}
                if part not in variables:
                    raise ValueError(
                        "Expected `state` to have names such as 'loss/total', as "
                        f"`get_metrics_state` gives them. Received: {name!r}."
                    )
                variables[part].assign(value)

    def _named_metrics(self) -> dict[str, keras.metrics.Metric]:
        # Keras holds those of `compile` in one that has no variables of its own.
        metrics = [m for each in self.metrics for m in getattr(each, "metrics", [each])]
        return {metric.name: metric for metric in metrics}

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, as they are in use.

        Raises:
            ValueError: if a prior or a kernel cannot be saved; the message says why.
        """
        return {**super().get_config(), "extra_terms": serialize_argument(list(self.loss_terms))}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BaseModel":
        """Builds the model from what `get_config` returned."""
        terms = keras.saving.deserialize_keras_object(config.get("extra_terms", []))
        return super().from_config({**config, "extra_terms": terms})

    def save_own_variables(self, store: Any) -> None:
        """Stores the state of guard and balance beside the model's own, to go on from."""
        super().save_own_variables(store)
        if self.trainer is not None and self.trainer.state_variables:
            store[_STATE] = self.trainer.state

    def load_own_variables(self, store: Any) -> None:
        """Restores it, if the model is compiled as the saved one was."""
        own = {key: store[key] for key in store.keys() if key != _STATE}  # noqa: SIM118
        super().load_own_variables(own)
        if self.trainer is not None and _STATE in store.keys():  # noqa: SIM118
            self.trainer.state = store[_STATE]

    # What Keras asks of a model that is built and has several optimizers.

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        # Keras asks this for the numbers of an epoch, and takes the metrics, which know all
        # replicas, only if each of them is logged; evaluation logs fewer than training.
        results = self.get_metrics_result()
        return {key: results.get(key, value) for key, value in logs.items()}

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # The model is built. Keras would average a batch over replicas, whose parts may be unequal.
        pass

    # Data.

    def _call_rules(self) -> InputRules:
        network = getattr(self, "encoder", self.decoder)
        return self._input_rules()._replace(shape=network.input_shape[1:])

    def _input_rules(self, fitting: bool = False, whole: bool = True) -> InputRules:
        decoder, encoder = self.decoder, getattr(self, "encoder", None)
        layers = [] if encoder is None else encoder._flatten_layers()
        rescaling = [x.name for x in layers if isinstance(x, keras.layers.Rescaling)]
        return InputRules(
            model=type(self).__name__,
            shape=decoder.output_shape[1:],
            labels=LabelRule(self.labels, self.num_classes, fitting, whole),
            reconstructs=self.reconstructs,
            unit_interval=self._compile_arguments.get("reconstruction_loss") == "bernoulli",
            sigmoid=self.reconstructs and output_activation(decoder) is keras.activations.sigmoid,
            rescaling=rescaling[0] if rescaling else None,
            any_range=self.restores_units,
            skips_non_finite=fitting and self.trainer is not None and self.trainer.is_guarded,
            check_rows=functools.partial(check_rows, divergences_of(self)),
            table=self.table_inputs,
            class_names=self.class_names,
        )
