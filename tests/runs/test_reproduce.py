"""Rows of the paper's tables: chosen, trained, cut short, resumed, and written."""

import dataclasses
import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aae_tf import data
from aae_tf.runs import backup, starts, training
from aae_tf.runs import reproduce as module
from aae_tf.runs.errors import UserError
from aae_tf.runs.named_recipes import RECIPES, make_recipe
from aae_tf.runs.recipe import Recipe
from aae_tf.runs.reproduce import Job, fit_to_data, plan, reproduce
from aae_tf.runs.reproduction_results import (
    MEASURED,
    Result,
    describe,
    measured,
    open_results,
    results_table,
    settings_of,
)
from aae_tf.runs.reproduction_rows import KINDS, ROWS, choose_rows
from aae_tf.runs.training_cost import count_operations, estimate_minutes, operations_per_second

DOCUMENT = Path(__file__).parents[2] / "docs" / "reproducing.md"


class TestRows:
    def test_every_kind_of_recipe_is_there(self):
        for row in ROWS.values():
            assert set(row.recipes) <= set(KINDS)
            for kind, names in row.recipes.items():
                for name in names:
                    assert RECIPES[name].kind in ("", kind)
        used = {name for row in ROWS.values() for names in row.recipes.values() for name in names}
        assert {name for name, recipe in RECIPES.items() if recipe.kind} <= used

    def test_no_adversary_is_left_where_the_mmd_takes_its_place(self):
        for row in ROWS.values():
            for name in row.recipes.get("mmd", ()):
                recipe = make_recipe({}, name)
                assert recipe.divergence == "mmd"
                if recipe.model in ("semi-supervised", "clustering"):
                    assert recipe.class_divergence != "adversarial"

    def test_are_chosen_by_name(self):
        assert choose_rows(["likelihood", "clustering-16"], "improved") == {
            "likelihood": ("likelihood",), "clustering-16": ("improved-clustering-16",),
        }  # fmt: skip
        assert set(choose_rows(["all"], "conv")) == {"semi-supervised-100", "clustering-16"}

    @pytest.mark.parametrize(
        ("names", "kind", "message"),
        [
            (["best"], "improved", r"`NAME` to be one of 'semi-supervised-100', .*, 'all'"),
            (["likelihood"], "fast", r"`--recipe` to be one of 'paper', 'improved', "),
            (
                ["likelihood"],
                "conv",
                r"--recipe to be one of those of likelihood: paper, improved. Received: .* conv",
            ),
        ],
    )
    def test_refuses(self, names, kind, message):
        with pytest.raises(ValueError, match=f"Expected {message}"):
            choose_rows(names, kind)


class TestPlan:
    def test_lists_seeds_of_recipes(self):
        jobs = plan({"styles": ("supervised", "supervised-reference")}, "improved", 2, "digits")
        found = [(job.name, job.recipe.seed, job.recipe.data) for job in jobs]
        assert found == [
            ("supervised", 0, "digits"), ("supervised", 1, "digits"),
            ("supervised-reference", 0, "digits"), ("supervised-reference", 1, "digits"),
        ]  # fmt: skip
        assert jobs[1].title == "styles, supervised, seed 1"

    def test_takes_all_labels_where_there_are_fewer(self):
        jobs = plan(
            choose_rows(["label-guided", "semi-supervised-100"], "improved"), "", 1, "digits"
        )
        digits = data.load("digits")
        guided, few = fit_to_data(jobs, lambda recipe: digits)
        assert guided.recipe.labels is None
        assert (few.recipe.labels, few.recipe.labelled_batch) == (100, 25)


class TestCost:
    def test_counts_products_and_passes(self):
        digits = data.load("digits")
        recipe = Recipe(units=(10,), divergence="mmd", epochs=2, batch_size=125)
        # 64 x 10 numbers in the encoder and as many in the decoder, forwards and twice backwards.
        assert count_operations(recipe, digits) == 2 * 1250 * 2 * 3 * 2 * 640
        more = dataclasses.replace(recipe, starts=3, start_epochs=1)
        assert count_operations(more, digits) == 2 * count_operations(recipe, digits)
        adversarial = dataclasses.replace(
            recipe, divergence="adversarial", discriminator_units=(4,)
        )
        extra = count_operations(adversarial, digits) - count_operations(recipe, digits)
        assert extra == 2 * 1250 * 2 * 9 * (8 * 4 + 4)
        assert count_operations(Recipe(network="conv"), digits) > 0

    def test_a_faster_machine_takes_less(self):
        assert operations_per_second() > 1e8
        assert estimate_minutes(1e12, 1e10) > 1.5 * estimate_minutes(1e12, 1e11)


TINY = Recipe(
    model="semi-supervised", labels=100, units=(16,), discriminator_units=(8,), code_dim=2,
    epochs=2, batch_size=250, class_divergence="none",
)  # fmt: skip


def job(seed=0, **changes):
    recipe = dataclasses.replace(TINY, seed=seed, **changes)
    return Job("semi-supervised-100", "improved", "improved-semi-supervised-100", recipe)


def load(recipe):
    return data.load("digits", labels=recipe.labels, seed=recipe.seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reproduced") / "out"


@pytest.fixture(scope="module")
def reproduced(folder):
    """The lines and the results of one job, run twice."""
    with pytest.MonkeyPatch.context() as patch:
        import keras

        patch.setattr(keras.Model, "run_eagerly", property(lambda model: True, lambda *args: None))
        patch.setattr(training, "figure_callbacks", lambda *args: [])
        drawn = []
        patch.setattr(training, "write_report", lambda *args: drawn.append(args[3]))
        lines = []
        summary = reproduce([job()], folder, load, report=lines.append, verbose=0)
        trained = (folder / "runs").stat().st_mtime_ns
        again = reproduce([job()], folder, load, report=lines.append, verbose=0)
        assert again == summary
        assert (folder / "runs").stat().st_mtime_ns == trained
    return lines, summary, drawn


class TestReproduce:
    @pytest.mark.thorough
    def test_measures_the_test_split_once(self, reproduced, folder):
        lines, summary, drawn = reproduced
        entry = summary["semi-supervised-100"]["improved"]
        assert json.loads((folder / "results.json").read_text()) == summary
        digits = data.load("digits")
        error = _error(folder, digits.x_test, digits.y_test)
        assert entry["mean"] == entry["figures"][0] == pytest.approx(error, abs=1e-9)
        # As `aae-tf evaluate --split validation`: on the half that nothing is chosen on.
        error = _error(folder, digits.x_validation[1::2], digits.y_validation[1::2])
        assert entry["validation"][0] == pytest.approx(error, abs=1e-9)
        assert (entry["paper"], entry["unit"], entry["seeds"]) == (1.9, "test error, %", [0])
        # 1,250 images in batches of 250 unlabelled ones.
        assert (entry["steps"], entry["cut_short"]) == ([10], [False])
        assert 0.0 < entry["cpu_minutes"][0] < 5.0
        assert entry["settings"]["units"] == [16]
        title = "[1/1] semi-supervised-100, improved-semi-supervised-100, seed 0: "
        assert lines[0] == f"{title}training"
        assert lines[1].startswith(title) and "(test error, %)" in lines[1]
        assert lines[2].endswith(", measured before")
        assert len(lines) == 3
        # Figures of the run are of its validation split.
        assert len(drawn[0].x_test) == 250

    def test_writes_a_table(self, reproduced, folder):
        row = (folder / "results.md").read_text().splitlines()[2].split(" | ")
        mean = reproduced[1]["semi-supervised-100"]["improved"]["mean"]
        assert row[1:6] == ["improved", "digits", "test error, %", "1.9", f"{mean:.2f}"]

    def test_other_settings_do_not_count(self, reproduced, folder):
        other = open_results(folder / "recipes", job().name, job(code_dim=3).recipe)
        assert not other.results
        with pytest.raises(UserError, match="Received: a run of other settings"):
            reproduce([job(code_dim=3)], folder, load, report=lambda line: None)

    @pytest.mark.thorough
    @pytest.mark.usefixtures("no_figures", "eager_steps")
    def test_a_budget_cuts_short_and_more_of_it_resumes(self, tmp_path):
        lines = []

        # The time is up after the first epoch.
        class Clock:
            now = 0.0

            def __call__(self):
                return self.now

        clock = Clock()

        def read(recipe):
            clock.now = 100.0
            return load(recipe)

        with pytest.MonkeyPatch.context() as patch:
            # That of these modules alone: event loops of other tests' servers read the clock, too.
            for reader in (module, training, backup, starts):
                patch.setattr(reader, "time", SimpleNamespace(monotonic=clock))
            jobs = [job(), job(seed=1)]
            summary = reproduce(jobs, tmp_path, read, 50.0, lines.append, verbose=0)
        entry = summary["semi-supervised-100"]["improved"]
        assert (entry["seeds"], entry["steps"], entry["cut_short"]) == ([0], [1], [True])
        assert lines[1].endswith(", cut short after 0 epochs")
        assert lines[2].endswith("seed 1: not begun, the budget is used up")
        assert "seed 0 cut short after 1 steps" in (tmp_path / "results.md").read_text()
        summary = reproduce([job()], tmp_path, load, report=lines.append, verbose=0)
        entry = summary["semi-supervised-100"]["improved"]
        assert (entry["steps"], entry["cut_short"]) == ([10], [False])

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(UserError):
            reproduce([job()], tmp_path / "out", load, report=lambda line: None)


def _error(folder, x, y):
    """The share of wrong classes of the model that was written, %."""
    import keras

    (run,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    model = keras.models.load_model(run / "model.keras")
    return 100 * (model.classify(x).argmax(axis=1) != y).mean()


class TestResults:
    def test_are_described(self, tmp_path):
        results = open_results(tmp_path, "vae")
        assert describe(results) == ""
        results.add(Result(1, 2.0, 2.5, 12, 100, 4.0))
        results.add(Result(0, 1.0, None, 3, 25, 1.0, cut_short=True))
        again = open_results(tmp_path, "vae")
        assert describe(again) == "1.50 (seed 0: 1.00 cut short, 1: 2.00, 4.0 CPU-min)"
        assert again.results == results.results

    def test_another_data_set_has_a_file_of_its_own(self, tmp_path):
        recipe = make_recipe({"data": "emnist/letters"}, "vae")
        open_results(tmp_path, "vae", recipe).add(Result(0, 1.0, None, 1, 1, 1.0))
        assert [path.name for path in tmp_path.iterdir()] == ["vae-emnist-letters.json"]

    def test_a_damaged_file_is_named(self, tmp_path):
        (tmp_path / "vae.json").write_text("{}")
        with pytest.raises(UserError, match=r"vae\.json to be as `aae-tf reproduce` writes it"):
            open_results(tmp_path, "vae")

    def test_settings_are_those_that_differ(self):
        assert settings_of(Recipe(units=(3,), seed=4, data="mnist")) == {"units": [3]}


class TestMeasured:
    def test_results_are_of_the_recipes_of_today(self):
        for path in MEASURED.glob("*.json"):
            stored = json.loads(path.read_text())
            assert stored["settings"] == settings_of(make_recipe({}, path.stem)), path.name
            assert measured(path.stem)

    def test_the_document_has_the_table(self):
        text = DOCUMENT.read_text()
        table = re.search("<!-- table -->\n(.*)<!-- end of table -->\n", text, re.DOTALL)
        assert table.group(1) == results_table()
        assert "not run" in table.group(1)


@pytest.mark.integration
def test_a_killed_command_goes_on(tmp_path, environment):
    import signal
    import subprocess
    import sys

    command = [
        sys.executable, "-c", "from aae_tf.cli import main; main()", "reproduce",
        "embedding-2d-1000", "--data", "digits", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = {**environment, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    backups = tmp_path / "out" / "runs" / "embedding-2d-digits-0.partial" / "backups"
    until = time.monotonic() + 300
    while not list(backups.glob("backup-*")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "results.json").exists()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "Continuing in epoch" in done.stdout
    assert "1 trainings, about" in done.stdout.splitlines()[0]
    summary = json.loads((tmp_path / "out" / "results.json").read_text())
    entry = summary["embedding-2d-1000"]["improved"]
    assert (entry["data"], entry["cut_short"]) == ("digits", [False])
    assert (tmp_path / "out" / "runs" / "embedding-2d-digits-0" / "figures").is_dir()
