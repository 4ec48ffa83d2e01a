"""The table of docs/mmd.md: its tests exist, and its cells say what there is."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from aae_tf import mmd, priors
from tests.mmd.rule_cases import KERNELS

tfd = tfp.distributions
psd_kernels = tfp.math.psd_kernels

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "mmd.md").read_text(encoding="utf-8")
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.split("## Which distribution")[1].split("\n\n")[1].splitlines()
]
POINTS = np.array([[0.3, -0.5], [0.9, 1.0], [-2.0, 0.25]])

_GAUSSIAN = KERNELS["ExponentiatedQuadratic"][0]("float64")
_MATERN = KERNELS["MaternThreeHalves"][0]("float64")
COLUMNS = {
    "Gaussian, sums of them": _GAUSSIAN + _GAUSSIAN,
    "RationalQuadratic": KERNELS["RationalQuadratic"][0]("float64"),
    "Matern 1/2, 3/2, 5/2": _MATERN,
    "CoordinateProduct": mmd.CoordinateProduct(_MATERN),
    "BlockProduct": mmd.BlockProduct([_MATERN, _MATERN], [1, 1]),
    "FourierFeatures": mmd.FourierFeatures(_MATERN, 2, 16),
    "Linear": psd_kernels.Linear(slope_amplitude=np.float64(1.5)),
}
_ZERO, _ONE = np.float64(0.0), np.float64(1.0)
_CLASSES = tfd.OneHotCategorical(probs=tf.constant([0.2, 0.8], tf.float64), dtype=tf.float64)
ROWS = {
    "Normal": tfd.Sample(tfd.Normal(_ZERO, _ONE), 2),
    "MultivariateNormal*": tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2)),
    "MixtureSameFamily": tfd.MixtureSameFamily(
        tfd.Categorical(probs=np.array([1.0])), _CLASSES[tf.newaxis]
    ),
    "Uniform": tfd.Sample(tfd.Uniform(_ZERO, _ONE), 2),
    "OneHotCategorical": _CLASSES,
    "Bernoulli": tfd.Independent(tfd.Bernoulli(probs=np.array([0.2, 0.5]), dtype=tf.float64), 1),
    "VectorDeterministic, Empirical": tfd.Empirical(POINTS, event_ndims=1),
    "Deterministic": tfd.Independent(tfd.Deterministic(POINTS[0]), 1),
    "Laplace": tfd.Sample(tfd.Laplace(_ZERO, _ONE), 2),
    "StudentT": tfd.Sample(tfd.StudentT(np.float64(5.0), _ZERO, _ONE), 2),
    "MultivariateStudentT": tfd.MultivariateStudentTLinearOperator(
        np.float64(5.0), POINTS[0], tf.linalg.LinearOperatorLowerTriangular(np.eye(2))
    ),
    "Logistic, Gumbel, LogNormal, TruncatedNormal, HalfNormal, Exponential, Weibull": tfd.Sample(
        tfd.HalfNormal(_ONE), 2
    ),
    "Independent, Sample": tfd.Independent(tfd.Laplace(np.zeros(2), np.ones(2)), 1),
    "Blockwise, JointDistribution": tfd.Blockwise(
        [tfd.Normal(_ZERO, _ONE), tfd.Laplace(_ZERO, _ONE)]
    ),
    "TransformedDistribution, affine": tfd.TransformedDistribution(
        tfd.Sample(tfd.Normal(_ZERO, _ONE), 2), tfp.bijectors.Shift(POINTS[0])
    ),
    "SphericalUniform, VonMisesFisher": tfd.VonMisesFisher(np.array([0.6, 0.8]), _ONE),
    "swiss roll": priors.swiss_roll(num_components=3, points_per_component=10),
}


def _names(letters: str) -> list[str]:
    return re.findall(r"`(test_\w+)`", letters)


def test_every_test_that_the_table_names_exists():
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "mmd").glob("test_*.py")
    )
    names = _names(TEXT)
    assert len(names) > 15
    assert [name for name in names if f"\ndef {name}(" not in sources] == []
    # Every letter in a cell has an entry below, except where the cell says "none".
    legend = set(re.findall(r"(?:: |; |\n)([a-q]) `test_", TEXT))
    used = {
        letter
        for row in TABLE[2:]
        for cell in row[1:]
        for letter in re.findall(r" ([a-q])\b", cell)
    }
    assert used - {"a"} <= legend | {"a"} and legend <= used


@pytest.mark.thorough
@pytest.mark.parametrize("row", range(len(ROWS)))
def test_cells_say_what_there_is(row):
    assert TABLE[0][1:] == list(COLUMNS) and [cells[0] for cells in TABLE[2:]] == list(ROWS)
    name, *cells = TABLE[2 + row]
    for cell, (column, kernel) in zip(cells, COLUMNS.items(), strict=True):
        expected = not cell.startswith("none")
        # The blocks of two numbers are those of this kernel.
        assert mmd.has_mean_embedding(ROWS[name], kernel) is expected, (name, column)


def test_the_ten_lines_run():
    code = TEXT.split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(code, names)
    assert abs(names["mmd"].squared_mmd(names["codes"], names["prior"], names["kernel"])) < 0.01


def _sum(kernel, support, probs):
    values = kernel.apply(POINTS[:, np.newaxis], support).numpy()
    norm = kernel.apply(support[:, np.newaxis], support).numpy()
    return values @ probs, probs @ norm @ probs


@pytest.mark.sampled
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    ("row", "support", "probs"),
    [
        (
            "Bernoulli",
            np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
            np.array([0.4, 0.4, 0.1, 0.1]),
        ),
        ("VectorDeterministic, Empirical", POINTS, np.full(3, 1 / 3)),
        ("Deterministic", POINTS[:1], np.ones(1)),
        ("OneHotCategorical", np.eye(2), np.array([0.2, 0.8])),
    ],
)
def test_smaller_cells_of_the_table(row, support, probs, column):
    distribution, kernel = ROWS[row], COLUMNS[column]
    if not mmd.has_mean_embedding(distribution, kernel):
        assert column == "BlockProduct"
        return
    values, norm = _sum(kernel, support, probs)
    np.testing.assert_allclose(mmd.mean_embedding(distribution, kernel, POINTS), values, rtol=1e-6)
    np.testing.assert_allclose(mmd.mean_embedding_norm(distribution, kernel), norm, rtol=1e-6)


def test_blocks_and_student_t_in_smaller_cells():
    blocks = ROWS["Blockwise, JointDistribution"]
    vector = tfd.Independent(tfd.Laplace(np.zeros(2), np.ones(2)), 1)
    laplace = tfd.Blockwise([tfd.Laplace(_ZERO, _ONE), tfd.Laplace(_ZERO, _ONE)])
    np.testing.assert_allclose(
        mmd.mean_embedding(laplace, _MATERN, POINTS), mmd.mean_embedding(vector, _MATERN, POINTS)
    )
    assert not mmd.has_mean_embedding(blocks, COLUMNS["FourierFeatures"])
    values = mmd.mean_embedding(ROWS["MultivariateStudentT"], COLUMNS["Linear"], POINTS)
    np.testing.assert_allclose(values, 2.25 * POINTS @ POINTS[0])


@functools.cache
def _swiss_roll_draws(count):
    # In the dtype of the kernel's parameters.
    return tf.cast(ROWS["swiss roll"].sample(count, seed=[0, 1]), tf.float64)


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "BlockProduct"])
def test_swiss_roll_cells_of_the_table(column):
    roll, kernel, count = ROWS["swiss roll"], COLUMNS[column], 10_000
    draws = _swiss_roll_draws(count)
    points = POINTS[:2].astype("f4")
    values = kernel.matrix(points.astype("f8"), draws).numpy()
    error = values.std(axis=1) / np.sqrt(count)
    embedding = mmd.mean_embedding(roll, kernel, points)
    assert (np.abs(embedding - values.mean(axis=1)) < 5.0 * error + 1e-6).all()
    pairs = kernel.apply(draws[::2], draws[1::2]).numpy()
    error = pairs.std() / np.sqrt(count / 2)
    assert abs(mmd.mean_embedding_norm(roll, kernel) - pairs.mean()) < 5.0 * error
