import dataclasses

import pytest

from aae_tf import divergences, posteriors
from aae_tf.runs import recipe as recipe_module
from aae_tf.runs.builders import MODELS
from aae_tf.runs.named_recipes import make_recipe
from aae_tf.runs.parts import PRIOR_BUILDERS, WEIGHTS
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.variants import VARIANTS

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}


def test_names_are_those_of_the_package():
    for name in recipe_module.POSTERIORS:
        posteriors.get(name)
    assert set(recipe_module.DIVERGENCES) == set(WEIGHTS)
    for name, weight in WEIGHTS.items():
        assert divergences.get(name).default_weight(784) == weight
    assert set(recipe_module.PRIORS) == set(PRIOR_BUILDERS)
    assert set(VARIANTS) == set(MODELS)


def test_every_field_explains_itself():
    for field in FIELDS.values():
        assert field.metadata["help"]
        assert set(field.metadata["models"]) <= set(VARIANTS)


class TestValues:
    @pytest.mark.parametrize(
        ("argument", "value", "message"),
        [
            ("model", "bert", "Expected `model` to be one of 'aae', 'label-guided'"),
            ("prior", "a", "Expected `prior` to be one of 'gaussian', 'ring_mixture'"),
            ("posterior", "a", "Expected `posterior` to be one of 'deterministic', 'gaussian'"),
            ("divergence", "kl", "Expected `divergence` to be one of 'adversarial', 'mmd'"),
            ("class_divergence", "kl", "Expected `class_divergence` to be one of 'adversarial'"),
            ("network", "a", "Expected `network` to be one of 'mlp', 'conv'"),
            ("activation", "a", "Expected `activation` to be one of 'relu'"),
            ("schedule", "a", "Expected `schedule` to be one of 'joint', 'alternating'"),
            ("optimizer", "a", "Expected `optimizer` to be one of 'adam', 'sgd'"),
            ("learning_rate_schedule", "a", "Expected `learning_rate_schedule` to be one of 'con"),
            ("reconstruction_loss", "mse", "Expected `reconstruction_loss` to be one of"),
            ("labels", -1, "Expected `labels` to be at least 0"),
            ("labelled_batch", 0, "Expected `labelled_batch` to be a positive integer"),
            ("clusters", 1, "Expected `clusters` to be at least 2"),
            ("code_dim", 0, "Expected `code_dim` to be a positive integer"),
            ("epochs", -1, "Expected `epochs` to be a positive integer"),
            ("batch_size", 0, "Expected `batch_size` to be a positive integer"),
            ("steps_per_execution", 0, "Expected `steps_per_execution` to be a positive integer"),
            ("units", (16, 0), "Expected `units` to be a sequence of positive integers"),
            ("discriminator_units", (-1,), "Expected `discriminator_units` to be a sequence"),
            ("learning_rate_steps", (), "Expected `learning_rate_steps` to be a sequence"),
            ("prior_scale", 0.0, "Expected `prior_scale` to be positive"),
            ("learning_rate", float("nan"), "Expected `learning_rate` to be finite"),
            ("discriminator_learning_rate", -1.0, "Expected `discriminator_learning_rate` to be p"),
            ("divergence_weight", -1.0, "Expected `divergence_weight` to be a finite number"),
            ("reconstruction_weight", -1.0, "Expected `reconstruction_weight` to be a finite numb"),
            ("consistency_weight", -1.0, "Expected `consistency_weight` to be a finite number"),
            ("momentum", 1.0, r"Expected `momentum` to be a number in \[0, 1\)"),
            ("dropout", 1.0, r"Expected `dropout` to be a number in \[0, 1\)"),
            ("seed", -1, "Expected `seed` to be at least 0"),
            ("seed", 2**32, "Expected `seed` to be at most"),
        ],
    )
    def test_out_of_their_domain_are_refused(self, argument, value, message):
        with pytest.raises(ValueError, match=message):
            Recipe(**{argument: value})

    @pytest.mark.parametrize(
        ("argument", "value", "kind"),
        [("data", 3, "str"), ("batch_normalization", 1, "bool"), ("normalize_codes", 1, "bool")],
    )
    def test_of_another_type_are_refused(self, argument, value, kind):
        with pytest.raises(TypeError, match=f"Expected `{argument}` to be a {kind}. Received"):
            Recipe(**{argument: value})


class TestTogether:
    @pytest.mark.parametrize(
        ("model", "field", "value"),
        [
            ("aae", "labels", 100),
            ("supervised", "labels", 100),
            ("clustering", "labelled_batch", 10),
            ("semi-supervised", "clusters", 10),
            ("gan", "posterior", "gaussian"),
            ("gan", "reconstruction_weight", 2.0),
            ("gmmn", "batch_normalization", True),
            ("gan", "normalize_codes", True),
            ("vae", "divergence", "mmd"),
            ("vae", "schedule", "alternating"),
            ("aae", "class_divergence", "none"),
            ("supervised", "consistency_weight", 1.0),
            ("clustering", "classification_weight", 2.0),
            ("semi-supervised", "head_distance", 2.0),
            ("aae", "kl_weight", 2.0),
            ("aae", "match_within_classes", True),
        ],
    )
    def test_fields_of_other_models_are_refused(self, model, field, value):
        with pytest.raises(ValueError, match=f"`{field}` to be left out with model='{model}'"):
            make_recipe({"model": model, field: value})

    @pytest.mark.parametrize(
        ("field", "value", "others", "reason"),
        [
            ("discriminator_units", (8,), {"divergence": "mmd"}, "divergence='mmd'"),
            ("discriminator_learning_rate", 0.1, {"divergence": "mmd"}, "divergence='mmd'"),
            (
                "discriminator_momentum",
                0.1,
                {"model": "clustering", "divergence": "mmd", "class_divergence": "none"},
                "divergence='mmd', class_divergence='none'",
            ),
            (
                "class_divergence_weight",
                0.1,
                {"model": "clustering", "class_divergence": "none"},
                "class_divergence='none'",
            ),
            ("regularization_learning_rate", 0.1, {}, "schedule='joint'"),
            ("learning_rate_steps", (3,), {}, "learning_rate_schedule='constant'"),
            ("start_epochs", 3, {}, "starts=1"),
            ("labelled_batch", 3, {"model": "semi-supervised"}, "labels=None"),
            ("head_weight", 3.0, {"model": "embedding", "heads_scale": 2.0}, "heads_scale=2.0"),
            ("ring_radius", 5.0, {}, "prior='gaussian'"),
        ],
    )
    def test_fields_that_mean_nothing_are_refused(self, field, value, others, reason):
        with pytest.raises(ValueError) as error:
            Recipe(**{**others, field: value})
        assert str(error.value) == (
            f"Expected `{field}` to be left out with {reason}, where it means nothing. "
            f"Received: {field}={value!r}."
        )

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"model": "label-guided"}, "`prior` to be 'ring_mixture' or 'swiss_roll' with model="),
            ({"model": "vae"}, "`posterior` to be 'gaussian' with model='vae'. Received: post"),
            ({"model": "gmmn"}, "`divergence` to be 'mmd' with model='gmmn'. Received: divergence"),
            ({"model": "semi-supervised", "labels": 0}, "`labels` to be at least 1. Received"),
            (
                {"starts": 2, "start_epochs": 4, "epochs": 4},
                "`start_epochs` to be less than the 4 epochs of the training. Received: start",
            ),
            (
                {"task": "anomaly", "validation": 0},
                "`validation` to be positive with task='anomaly', whose detector is calibrated on "
                "that split. Received: validation=0",
            ),
        ],
    )
    def test_what_a_model_insists_on(self, fields, message):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            Recipe(**fields)

    def test_an_embedding_needs_no_labels(self):
        assert Recipe(model="embedding", labels=0, clusters=20).labels == 0
