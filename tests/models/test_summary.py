"""What `summary` shows of a model: every part with its output shape and its weights."""

import re

import pytest

from aae_tf import divergences, models, priors
from tests.models.small import NUM_CLASSES, build


@pytest.fixture(scope="module")
def model():
    return build(
        models.SemiSupervisedAAE,
        2 + NUM_CLASSES,
        style_prior=priors.gaussian(2),
        num_classes=NUM_CLASSES,
        style_divergence=divergences.Adversarial((5, 6)),
        class_divergence="mmd",
    )


def _lines(model, **kwargs):
    text = []
    model.summary(print_fn=lambda line, **_: text.append(line), line_length=78, **kwargs)
    rows = re.findall(r"[│|] +(?:└ )?(\w+) \((\w+)\) +[│|] (.+?) +[│|] +([\d,]+)", "\n".join(text))
    return {(name, kind): (shape, count) for name, kind, shape, count in rows}


def test_every_part_has_a_shape_and_a_number_of_weights(model):
    kinds = {kind: values for (_, kind), values in _lines(model).items()}
    assert kinds["Adversarial"] == ("(None, 1)", str(2 * 5 + 5 + 5 * 6 + 6 + 6 + 1))
    assert kinds["MMD"] == ("()", "0")
    assert kinds["Deterministic"] == ("(None, 2)", str(8 * 2 + 2))
    assert kinds["Dense"] == ("(None, 3)", str(8 * 3 + 3))
    assert not [name for name, (shape, _) in _lines(model).items() if "?" in shape]


def test_expanded_it_shows_the_layers_of_the_discriminator(model):
    lines = _lines(model, expand_nested=True)
    assert lines["discriminator", "Functional"] == ("(None, 1)", "58")
    assert lines["logits", "Dense"] == ("(None, 1)", "7")
