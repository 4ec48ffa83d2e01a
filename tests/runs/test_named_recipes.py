import numpy as np
import pytest

from aae_tf.runs.builders import build_model
from aae_tf.runs.named_recipes import DEFAULTS, RECIPES, make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.training_data import TrainingData
from aae_tf.runs.variants import VARIANTS


class TestMakeRecipe:
    def test_without_a_name_a_model_starts_from_its_own_defaults(self):
        assert make_recipe({}) == Recipe()
        for name, fields in DEFAULTS.items():
            recipe = make_recipe({"model": name})
            for field, value in fields.items():
                # Labels are not few here.
                if field != "labelled_batch":
                    assert getattr(recipe, field) == value

    def test_options_win(self):
        recipe = make_recipe({"code_dim": 3, "data": "digits"}, "clustering-16")
        assert (recipe.code_dim, recipe.data, recipe.clusters) == (3, "digits", 16)

    def test_what_options_make_meaningless_is_dropped(self):
        named = make_recipe({}, "clustering-16")
        assert named.discriminator_units == (500, 500)
        recipe = make_recipe({"divergence": "mmd"}, "clustering-16")
        assert recipe.discriminator_units is None
        assert recipe.discriminator_momentum is None

    def test_a_weight_goes_with_its_divergence(self):
        assert make_recipe({"divergence": "mmd"}, "clustering-16").divergence_weight is None
        same = make_recipe({"divergence": "adversarial"}, "clustering-16")
        assert same.divergence_weight == 0.2
        own = make_recipe({"divergence": "mmd", "divergence_weight": 7.0}, "clustering-16")
        assert own.divergence_weight == 7.0

    def test_another_model_brings_its_own_defaults(self):
        recipe = make_recipe({"model": "gmmn"}, "likelihood")
        assert (recipe.data, recipe.divergence) == ("mnist", "mmd")
        assert make_recipe({"model": "aae"}, "clustering-16").consistency_weight == 0.0

    def test_meaningless_options_are_refused(self):
        with pytest.raises(ValueError, match="`clusters` to be left out with model='gan'"):
            make_recipe({"clusters": 3}, "gan")

    def test_an_unknown_name_is_refused_with_those_that_are(self):
        with pytest.raises(ValueError, match=r"`recipe` to be one of 'likelihood', .*'gmmn'"):
            make_recipe({}, "best")


@pytest.mark.parametrize("name", RECIPES)
class TestRecipes:
    @pytest.mark.sampled
    def test_builds(self, name):
        large = make_recipe({}, name)
        given = {field: getattr(large, field) for field in ("units", "discriminator_units")}
        small = {field: (4,) * len(units) for field, units in given.items() if units}
        recipe = make_recipe({"units": (4, 4), **small}, name)
        unlabelled = VARIANTS[recipe.model].labels == "none" or recipe.labels == 0
        shares = None if unlabelled else np.full(10, 0.1)
        data = TrainingData((28, 28, 1), 10, shares, 100, {})
        model = build_model(recipe, data)
        assert type(model).__name__.lower().startswith(recipe.model.replace("-", ""))
        assert model.decoder.output_shape == (None, 28, 28, 1)

    def test_is_what_its_fields_say(self, name):
        assert RECIPES[name].summary
        recipe = make_recipe({}, name)
        for field, value in RECIPES[name].fields.items():
            # What means nothing beside the others is dropped.
            assert getattr(recipe, field) in (value, getattr(Recipe, field))


def test_defaults_are_complete():
    for name in VARIANTS:
        assert make_recipe({"model": name}).model == name
