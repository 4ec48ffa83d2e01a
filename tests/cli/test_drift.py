"""`aae-tf drift`: a line for each window, and the exit code."""

from types import SimpleNamespace

import pytest

from aae_tf import offline


@pytest.mark.parametrize(("is_drift", "code"), [(False, 0), (True, 3)])
def test_every_window_gets_a_line(invoke, monkeypatch, is_drift, code):
    def drift_files(root, inputs, window, reference):
        assert (str(root), list(inputs), window, reference) == ("root", ["a", "b"], 60, ["c"])
        for first in (0, 60):
            yield first, 60, SimpleNamespace(statistic=0.01234, p_value=0.25, is_drift=is_drift)

    monkeypatch.setattr(offline, "drift_files", drift_files)
    given = ("--input", "a", "--input", "b", "--reference", "c", "--window", 60)
    result = invoke("drift", "root", *given, code=code)
    end = ", drift" if is_drift else ""
    assert result.stdout.splitlines() == [
        f"rows 0 to 59: MMD^2 0.0123, p = 0.25{end}",
        f"rows 60 to 119: MMD^2 0.0123, p = 0.25{end}",
    ]


def test_a_root_without_exports_is_said_in_one_line(invoke, tmp_path):
    result = invoke("drift", tmp_path, "--input", "x.npy", code=2)
    assert "Error: Expected `model` to be a SavedModel" in result.stderr
