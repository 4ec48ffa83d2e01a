"""Inheritance says "is a kind of": few classes, and nothing handed up or across in private."""

import ast
import inspect
import itertools

import keras
import pytest

from aae_tf import models, networks, priors

BASES = (models.GenerativeModel, models.BaseModel, models.BaseAAE, models.ClassStyleAAE)
VARIANTS = (
    models.AAE,
    models.LabelGuidedAAE,
    models.SupervisedAAE,
    models.SemiSupervisedAAE,
    models.ClusteringAAE,
    models.EmbeddingAAE,
    models.VAE,
    models.GAN,
    models.GMMN,
)


class Names:
    """The attributes of `self` that the methods of one class set and read, and what it declares."""

    def __init__(self, cls):
        (tree,) = ast.parse(inspect.getsource(cls)).body
        self.set, self.read, self.declared = set(), set(), set()
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.declared.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self.declared |= {target.id for target in targets}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
                (self.set if isinstance(node.ctx, ast.Store) else self.read).add(node.attr)

    @property
    def own(self):
        return self.set | self.declared


NAMES = {cls: Names(cls) for cls in (*BASES, *VARIANTS)}


def test_names_are_found():
    base = NAMES[models.BaseModel]
    assert {"codes", "trainer", "_divergences"} <= base.set
    assert {"decoder", "seed_generator"} <= base.read - base.set
    assert {"reconstructs", "train_step", "labels"} <= base.declared


@pytest.mark.parametrize("variant", VARIANTS)
def test_at_most_five_classes_lead_to_a_variant(variant):
    own = [cls for cls in variant.__mro__ if cls.__module__.startswith("aae_tf.")]
    assert len(own) <= 5, own
    assert variant.__mro__[len(own)] is keras.Model


@pytest.mark.parametrize("cls", BASES)
def test_a_base_reads_nothing_that_its_descendants_set(cls):
    above = [base for base in BASES if issubclass(cls, base)]
    known = set(dir(keras.Model)).union(*(NAMES[base].own for base in above))
    below = [other for other in NAMES if issubclass(other, cls) and other is not cls]
    handed_up = {(other.__name__, name) for other in below for name in NAMES[other].set - known}
    assert not [each for each in handed_up if each[1] in NAMES[cls].read]
    # Whatever it reads is its own, of a class above, or of Keras.
    unknown = {name for name in NAMES[cls].read - known if not hasattr(_instance(), name)}
    assert not unknown


def test_no_private_name_crosses_a_level():
    private = {
        (first.__name__, second.__name__, name)
        for first, second in itertools.permutations(NAMES, 2)
        if issubclass(first, second) or issubclass(second, first)
        for name in NAMES[first].own & NAMES[second].read - NAMES[second].own
        if name.startswith("_") and not hasattr(keras.Model, name)
    }
    assert not private


def test_a_step_is_short():
    source = inspect.getsource(models.BaseModel.train_step)
    assert len(source.splitlines()) <= 10


@keras.saving.register_keras_serializable(package="tests")
class Forwarding(models.AAE):
    """A variant that forwards the arguments of its base class."""

    def __init__(self, *args, temperature=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = temperature


def test_the_config_holds_arguments_of_the_constructor_and_of_those_that_it_forwards():
    model = _instance(Forwarding, temperature=3.0)
    names = {"encoder", "decoder", "prior", "posterior", "divergence", "seed", "extra_terms"}
    names |= {"name", "dtype", "table", "class_names"}
    assert set(model.get_config()) == {"temperature", *names}
    copy = Forwarding.from_config(model.get_config())
    assert (copy.temperature, copy.seed, copy.posterior.name) == (3.0, 5, model.posterior.name)


def _instance(cls=models.AAE, **kwargs):
    return cls(
        networks.mlp_encoder((4,), units=(3,), seed=1),
        networks.mlp_decoder((4,), 2, units=(3,), seed=2),
        prior=priors.gaussian(2),
        divergence="mmd",
        seed=5,
        **kwargs,
    )
