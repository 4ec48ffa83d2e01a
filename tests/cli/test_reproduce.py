"""`aae-tf reproduce`: what it refuses, and what it says first."""

import pytest

from aae_tf.runs import reproduce as module


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best"], "Expected `NAME` to be one of 'semi-supervised-100', "),
        (["likelihood", "--recipe", "fast"], "Expected `--recipe` to be one of 'paper', "),
        (["likelihood", "--recipe", "conv"], "to be one of those of likelihood: paper, improved."),
        (["likelihood", "--seeds", "0"], "Expected `--seeds` to be a positive integer."),
        (["likelihood", "--budget", "0"], "Expected `--budget` to be positive in float32."),
        (["likelihood", "--data", "a.csv"], "Expected --data to be the name of a data set, such"),
    ],
)
def test_refuses(invoke, tmp_path, arguments, message):
    output = invoke("reproduce", *arguments, "--out", tmp_path / "out", code=2).output
    assert message in " ".join(output.split())
    assert not (tmp_path / "out").exists()


def test_says_how_long_it_takes_and_runs_what_was_planned(invoke, tmp_path, monkeypatch):
    asked = []

    def reproduce(jobs, out, load, stop_at, report):
        asked.append((jobs, out, stop_at))
        return {}

    monkeypatch.setattr(module, "reproduce", reproduce)
    arguments = ("--data", "digits", "--seeds", 2, "--budget", 3, "--recipe", "mmd")
    output = invoke("reproduce", "clustering-16", *arguments, "--out", tmp_path / "out").output
    assert output.startswith("2 trainings, about ")
    assert "the budget is 3 min" in output
    assert "clustering-16, mmd-clustering-16, seed 1: about " in output
    ((jobs, out, stop_at),) = asked
    assert [(job.row, job.kind, job.recipe.seed) for job in jobs] == [
        ("clustering-16", "mmd", 0), ("clustering-16", "mmd", 1),
    ]  # fmt: skip
    assert out == tmp_path / "out"
    assert stop_at is not None
