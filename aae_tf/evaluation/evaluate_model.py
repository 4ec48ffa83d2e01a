"""All numbers of a trained model on held-out data."""

from typing import Any

import numpy as np
import tensorflow_probability as tfp

from aae_tf import data
from aae_tf.checks import check_dimension, import_extra
from aae_tf.data.conversions import collect_pairs, is_pipeline
from aae_tf.evaluation.class_scores import (
    class_frequency_test,
    classification_scores,
    clustering_scores,
)
from aae_tf.evaluation.code_measures import dci, mutual_information_gap, predictability
from aae_tf.evaluation.linear_probe import linear_probe
from aae_tf.evaluation.parzen import parzen
from aae_tf.evaluation.sample_scores import (
    LEAST_ROWS,
    check_rows,
    feature_network,
    sample_scores,
)
from aae_tf.models import BaseAAE, BaseModel, ClassStyleAAE, ClusteringAAE
from aae_tf.training.prior_mismatch import prior_mismatch, sample_codes

# Rows of the validation data that the width of the Parzen window is chosen on.
_BANDWIDTH_ROWS = 2000
# Rows that enter the measures whose time grows faster than the rows.
_SCORED_ROWS = 2000
_PREDICTED_ROWS = 300
_TREES = 20


def evaluate_model(
    model: BaseModel,
    x: Any,
    y: Any = None,
    validation: tuple[Any, Any] | None = None,
    clusters: bool | None = None,
    num_samples: int = 10_000,
    batch_size: int = 100,
    seed: int = 0,
    samples: bool = False,
) -> dict[str, Any]:
    """Measures reconstructions, samples, classes and the fit of codes to their priors.

    The result has these entries, except those that the model or the data do not allow:

    - `losses`: what `model.evaluate` gives, by the names of the logs. With an adversarial
      divergence, `<code>_discriminator_accuracy` is the discriminator's on the codes of `x`;
    - `half_squared_error`: 0.5 |x - x'|^2 per example, nats, x' decoded from the mean codes, in
      standard deviations where the decoder ends in an inverted normalization; of a table in its
      place `columns`, the mean `losses.ColumnLosses` by column;
    - `codes`, for each code, from one sample of its posterior per input: `mmd_squared`, the
      unbiased estimate of the squared maximum mean discrepancy to the prior under
      `mmd.default_kernel`, from at most 2,000 codes, near zero and of either sign where both
      agree; `standardized_mmd`, the same in standard deviations of its noise, below 2 where codes
      and prior cannot be told apart; `mean` and `stddev` of each coordinate; `predictability` of
      each from the others, of 300 codes, see `predictability`, of codes of two coordinates or more
      that are not discrete;
    - `class_frequencies`: `aggregated_posterior`, the mean q(y) of q(y|x) over `x`, against
      `class_prior`: their `total_variation`, and `chi_square` (None if infinite) with its
      `p_value`, see `class_frequency_test`; on models with a class prior;
    - `parzen`: log-likelihood under a Parzen window on samples, see `parzen`; with `validation`,
      neither of a table nor of such a decoder;
    - `samples`: see `sample_scores`: of random rows of `x` and of `validation` and of samples, as
      many of each, at most 2,000. They are compared on features of a classifier of one half of
      `validation`, whose other half is then the rows to compare, or on the values themselves where
      it has no labels; with `samples=True`, and neither of a table nor of such a decoder. Fewer
      than six rows of `validation` are not compared;
    - `mutual_information_gap`: that of classes and latents; with `y`, on models with an encoder
      and two latents or more;
    - `dci`: completeness and informativeness of the latents about the class, see `dci`, of at most
      2,000 rows; likewise, with `validation`;
    - `classification`: see `classification_scores`; with `y`, on models that classify;
    - `clustering`: see `clustering_scores`; with `y` and `validation`, on models of clusters;
    - `label_probe_accuracy`: of a logistic regression that predicts the label from the latents,
      fitted on `validation`; with `y`, on models with an encoder.

    Args:
        model: compiled model.
        x: float [n, ...], inputs that were not trained on, at least two, in any form that `fit`
            takes; a pipeline may yield their classes, too.
        y: integers [n], their classes, all known; None if there are none.
        validation: inputs and classes (or None), or a pipeline of both, neither trained on nor in
            `x`.
        clusters: whether `classify` gives unnamed clusters and not classes; None is True for a
            `ClusteringAAE` alone. Pass True for an `EmbeddingAAE` trained without labels.
        num_samples: number of samples for `parzen`.
        batch_size: examples at a time. The divergence is an average over batches and depends on
            their size: compare values of one size only.
        seed: non-negative integer that fixes the codes, the choice of those that enter
            `mmd_squared` and `samples`, samples of model and prior, and the classifiers of
            `samples` and `dci`.
        samples: whether to measure `samples`, which takes some seconds.

    Returns:
        Numbers, lists and dicts of them by name, ready for JSON.

    Raises:
        TypeError: if `x` is no array of floats, or labels are no integers.
        ValueError: if `x` is not finite or not of the model's shape, has fewer than two rows, or
            `batch_size` is no positive integer; if `samples` are to be measured, and `x` has fewer
            than six rows.
        ImportError: if there are labels of `x` and of `validation`, and scikit-learn is not
            installed.

    Example:

    >>> from aae_tf import AAE, networks, priors
    >>> model = AAE(networks.mlp_encoder((4,), units=(8,)), networks.mlp_decoder((4,), 2, (8,)),
    ...             prior=priors.gaussian(2), seed=0)
    >>> model.compile()
    >>> numbers = evaluate_model(model, np.random.default_rng(0).random((50, 4)))
    >>> sorted(numbers)
    ['codes', 'half_squared_error', 'losses']
    >>> sorted(numbers["codes"]["latent"])
    ['mean', 'mmd_squared', 'predictability', 'standardized_mmd', 'stddev']

    References:
        Gretton et al. 2012, lemma 6; Makhzani et al. 2016, sections 3, 5 and 6.
    """
    check_dimension("batch_size", batch_size)
    x, y = collect_pairs(*_features(model, x, y))
    x = data.check_array(x, "x", model.decoder.output_shape[1:])
    if len(x) < 2:
        raise ValueError(f"Expected `x` to have at least two rows. Received: x.shape={x.shape}.")
    # Distances of samples, and a window of one width, need columns of the same units.
    same_units = model.table is None and not model.restores_units
    if samples and same_units:
        check_rows("x", x)
    validation_x: Any = None
    validation_y: Any = None
    if validation is not None:
        if is_pipeline(validation):
            validation = collect_pairs(*_features(model, validation), name="validation")
        validation_x, validation_y = _features(model, *validation)
        validation_x = data.check_array(validation_x, "validation", x.shape[1:])
    if y is not None and validation_y is not None:
        import_extra("sklearn", "data", "scores of labels")
    logs = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    numbers: dict[str, Any] = {"losses": {key: float(value) for key, value in logs.items()}}
    if isinstance(model, BaseAAE):
        if model.restores_units:
            errors = model.score(x)["reconstruction_error"]
            numbers["half_squared_error"] = float(errors.mean(dtype=np.float64))
        elif model.table is None:
            errors = np.square(x - model.reconstruct(x), dtype=np.float64)
            numbers["half_squared_error"] = 0.5 * float(errors.sum()) / len(x)
        else:
            means = model.column_errors(x).mean(axis=0, dtype=np.float64)
            numbers["columns"] = dict(zip(model.column_names, means.tolist(), strict=True))
        numbers["codes"] = _code_numbers(model, x, y, seed)
    if isinstance(model, ClassStyleAAE):
        numbers["class_frequencies"] = _frequency_numbers(model, x)
    if validation is not None and same_units:
        numbers["parzen"] = parzen(
            lambda n, seed: model.sample(n, seed=seed),
            validation_x[:_BANDWIDTH_ROWS],
            x,
            num_samples,
            seed,
        )
    if samples and same_units:
        numbers["samples"] = _sample_numbers(model, x, validation_x, validation_y, seed)
    if y is not None and isinstance(model, BaseAAE):
        numbers |= _label_numbers(model, x, y, validation_x, validation_y, clusters, seed)
    return numbers


def _features(model: BaseModel, x: Any, y: Any = None) -> tuple[Any, Any]:
    """Turns the columns of a table into features; other inputs are returned as they are."""
    return x if model.table_inputs is None else model.table_inputs.features(x), y


def _sample_numbers(
    model: BaseModel, x: np.ndarray, validation_x: Any, validation_y: Any, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rows, network, reference = rng.permutation(len(x))[:_SCORED_ROWS], None, None
    if validation_x is not None:
        others = rng.permutation(len(validation_x))
        if validation_y is not None:
            # Features of a classifier tell the rows that it was trained on from all others.
            fitted, others = np.array_split(others, 2)
            labels = np.asarray(validation_y)[fitted]
            if len(np.unique(labels[labels >= 0])) > 1:
                network = feature_network(validation_x[fitted], labels, seed=seed)
        if len(others) >= LEAST_ROWS:
            # The Frechet distance is biased, by less the more rows there are.
            rows = rows[: len(others)]
            reference = validation_x[others[: len(rows)]]
    generated = model.sample(len(rows), seed=seed)
    return sample_scores(x[rows], generated, reference, network, seed)


def _label_numbers(
    model: BaseAAE,
    x: np.ndarray,
    y: Any,
    validation_x: Any,
    validation_y: Any,
    clusters: bool | None,
    seed: int,
) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    latents, y = model.encode(x), np.asarray(y)
    coordinates = latents.shape[1] > 1 and len(np.unique(y)) > 1
    if coordinates:
        numbers["mutual_information_gap"] = mutual_information_gap(latents, y)
    if clusters is None:
        clusters = isinstance(model, ClusteringAAE)
    if model.classifies and not clusters:
        numbers["classification"] = classification_scores(model.classify(x), y)
    if validation_y is not None:
        if model.classifies and clusters:
            numbers["clustering"] = clustering_scores(
                model.classify(x), y, model.classify(validation_x), validation_y
            )
        fitted = model.encode(validation_x)
        numbers["label_probe_accuracy"] = linear_probe(fitted, validation_y, latents, y)
        if coordinates:
            rng, validation_y = np.random.default_rng(seed), np.asarray(validation_y)
            few = rng.permutation(np.flatnonzero(validation_y >= 0))[:_SCORED_ROWS]
            test = rng.permutation(len(y))[:_SCORED_ROWS]
            scores = dci(fitted[few], validation_y[few], latents[test], y[test], _TREES, seed)
            numbers["dci"] = {key: scores[key] for key in ("completeness", "informativeness")}
    return numbers


def _frequency_numbers(model: ClassStyleAAE, x: np.ndarray) -> dict[str, Any]:
    test = class_frequency_test(model.classify(x), model.class_prior)
    return {
        "aggregated_posterior": test.frequencies.tolist(),
        "class_prior": test.prior.tolist(),
        "total_variation": test.total_variation,
        "chi_square": test.statistic if np.isfinite(test.statistic) else None,
        "p_value": test.p_value,
    }


def _code_numbers(model: BaseAAE, x: np.ndarray, y: Any, seed: int) -> dict[str, Any]:
    numbers = {}
    for name, samples in sample_codes(model, x, y, seed).items():
        value, noise = prior_mismatch(samples, model.codes[name].prior, seed)
        numbers[name] = {
            "mmd_squared": value,
            "standardized_mmd": value / noise,
            "mean": samples.mean(axis=0, dtype=np.float64).tolist(),
            "stddev": samples.std(axis=0, dtype=np.float64).tolist(),
        }
        # The coordinates of a class tell one another by definition.
        discrete = isinstance(model.codes[name].prior, tfp.distributions.OneHotCategorical)
        if samples.shape[1] > 1 and len(samples) > 2 and not discrete:
            rows = np.random.default_rng(seed).permutation(len(samples))[:_PREDICTED_ROWS]
            numbers[name]["predictability"] = predictability(samples[rows]).tolist()
    return numbers
