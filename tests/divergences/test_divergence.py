import numpy as np
import pytest

from aae_tf import divergences


def test_names_stand_for_new_instances():
    assert isinstance(divergences.get("adversarial"), divergences.Adversarial)
    assert isinstance(divergences.get("mmd"), divergences.MMD)
    assert divergences.get("mmd") is not divergences.get("mmd")
    instance = divergences.MMD()
    assert divergences.get(instance) is instance


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("kl", ValueError, "one of 'adversarial', 'mmd', or an instance"),
        (3, TypeError, "`divergence` to be a name"),
    ],
)
def test_unknown_divergences_are_refused(identifier, error, message):
    with pytest.raises(error, match=message):
        divergences.get(identifier)


def test_the_base_class_names_what_a_divergence_lacks():
    with pytest.raises(NotImplementedError, match="Divergence does not implement `compare`"):
        divergences.Divergence().compare(np.zeros((2, 2)), [0, 0])
