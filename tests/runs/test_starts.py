"""Several starts, of which the one of the lowest training loss goes on."""

import csv
import dataclasses
import time

import pytest

from aae_tf.runs import starts, training
from aae_tf.runs.errors import OutOfTime, UserError
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.run_directory import open_run
from aae_tf.runs.starts import best_start, start_seed

RECIPE = Recipe(units=(8,), divergence="mmd", epochs=3, batch_size=625, starts=3, start_epochs=2)


class FakeModel:
    """A model whose loss is a function of its seed."""

    def __init__(self, seed, losses):
        self.seed, self.losses = seed, losses

    def fit(self, epochs, **arguments):
        history = {"loss": [9.0] * (epochs - 1) + [self.losses[self.seed]], "other": [1.0] * epochs}
        return type("History", (), {"history": history})


def choose(*losses):
    seeds = [start_seed(0, index) for index in range(3)]
    by_seed = dict(zip(seeds, losses, strict=True))
    return best_start(
        RECIPE, lambda recipe: FakeModel(recipe.seed, by_seed), lambda epoch, step: None, {}
    )


class TestBestStart:
    def test_is_the_one_of_the_lowest_last_loss(self, capsys):
        model, logs = choose(2.0, 1.0, 3.0)
        assert model.seed == start_seed(0, 1)
        assert logs == ({"loss": 9.0, "other": 1.0}, {"loss": 1.0, "other": 1.0})
        assert "Start 3 of 3: loss 3.0000" in capsys.readouterr().out

    def test_is_never_one_that_broke(self):
        assert choose(float("nan"), 5.0, float("inf"))[0].seed == start_seed(0, 1)

    def test_all_of_them_may_break(self):
        with pytest.raises(FloatingPointError, match="The loss of all 3 starts is not finite"):
            choose(*[float("nan")] * 3)

    def test_seeds_differ_and_begin_with_that_of_the_recipe(self):
        assert start_seed(7, 0) == 7
        assert len({start_seed(seed, index) for seed in (0, 1) for index in range(4)}) == 8


@pytest.mark.usefixtures("no_figures", "eager_steps")
class TestTraining:
    @pytest.mark.thorough
    def test_the_best_goes_on(self, digits, tmp_path, monkeypatch):
        chosen = {}

        def remember(*arguments, **options):
            chosen["model"], chosen["logs"] = best_start(*arguments, **options)
            chosen["seed"] = chosen["model"].seed
            chosen["steps"] = int(chosen["model"].optimizer.iterations)
            return chosen["model"], chosen["logs"]

        monkeypatch.setattr(starts, "best_start", remember)
        recipe = dataclasses.replace(RECIPE, starts=2, start_epochs=1, epochs=2)
        training.train_run(recipe, digits, tmp_path / "run", verbose=0)
        assert open_run(tmp_path / "run").recipe == recipe
        with (tmp_path / "run" / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2
        assert float(rows[0]["loss"]) == chosen["logs"][0]["loss"]
        assert chosen["steps"] == 2
        assert int(chosen["model"].optimizer.iterations) == 4

    def test_the_time_may_be_up_before_the_first_backup(self, digits, tmp_path):
        with pytest.raises(OutOfTime, match="the same command resumes it") as error:
            training.train_run(
                RECIPE, digits, tmp_path / "run", verbose=0, stop_at=time.monotonic()
            )
        assert isinstance(error.value, UserError)
        assert error.value.exit_code == 75
        assert list(tmp_path.iterdir()) == []
