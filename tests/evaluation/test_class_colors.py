import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import aae_tf
from aae_tf.evaluation.class_colors import PALETTE, UNKNOWN_COLOR, label_groups

PAGE = Path(aae_tf.__file__).parent / "explorer" / "page"

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0; on linear RGB.
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
# IEC 61966-2-1: linear sRGB to CIE XYZ, and its white.
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
       [0.0193339, 0.119192, 0.9503041]]  # fmt: skip
WHITE = [0.95047, 1.0, 1.08883]


def lab(color, vision=None):
    """CIELAB of "#rrggbb" as somebody with a colour-vision deficiency sees it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if vision is not None:
        linear = np.clip(np.array(vision) @ linear, 0.0, 1.0)
    t = np.array(XYZ) @ linear / WHITE
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_cielab_of_known_colours():
    np.testing.assert_allclose(lab("#ffffff"), [100.0, 0.0, 0.0], atol=0.02)
    np.testing.assert_allclose(lab("#ff0000"), [53.24, 80.09, 67.20], atol=0.02)


@pytest.mark.parametrize(
    ("vision", "least"), [(None, 44.0), (PROTANOPIA, 28.0), (DEUTERANOPIA, 28.0)]
)
def test_ten_colours_can_be_told_apart(vision, least):
    colors = {color: lab(color, vision) for color in PALETTE}
    assert len(colors) == 10
    for one, other in itertools.combinations(colors, 2):
        assert np.linalg.norm(colors[one] - colors[other]) >= least, (one, other)
    grey = lab(UNKNOWN_COLOR, vision)
    for color, seen in colors.items():
        assert np.linalg.norm(seen - grey) >= 28.0, color
        assert np.linalg.norm(seen - lab("#ffffff", vision)) >= 28.0, color


@pytest.mark.parametrize(
    ("vision", "least"), [(None, 34.0), (PROTANOPIA, 24.0), (DEUTERANOPIA, 24.0)]
)
def test_the_explorer_has_the_same_colours_and_others_for_the_dark(vision, least):
    text = (PAGE / "palette.js").read_text()
    light, dark = (
        tuple(re.findall(r'"(#\w{6})"', re.search(rf"const {name} = \[(.*?)\];", text, re.S)[1]))
        for name in ("LIGHT", "DARK")
    )
    assert light == PALETTE
    unknown = re.search(r'dark: "(#\w{6})"', text)[1]
    seen = [lab(color, vision) for color in (*dark, unknown)]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert len(dark) == 10
    assert min(distances) >= least


def test_groups_have_the_names_of_their_classes():
    groups = label_groups([1, -1, 0, 1], 4, ["cat", "dog"])
    assert [(group.label, group.name) for group in groups] == [
        (-1, "unknown"), (0, "cat"), (1, "dog"),
    ]  # fmt: skip
    assert [group.rows.tolist() for group in groups][2] == [True, False, False, True]
