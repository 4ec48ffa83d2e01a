"""Flags of `aae-tf serve`: what is wrong with them is one line, before anything is loaded."""

import pytest

from tests.cli.test_bad_input import error


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "file.config").write_text(text)
        return tmp_path / "file.config"

    return write


def test_83_malformed_models_config(invoke, file):
    line = error(invoke, "serve", "--model-config-file", file("model_config_list {"))
    assert "file.config: Expected a ModelServerConfig in protobuf's text format" in line


def test_models_from_one_place(invoke, file, tmp_path):
    both = error(invoke, "serve", tmp_path, "--model-config-file", file(""))
    message = "Expected one of `root`, `model_config_file` and `model_base_path`."
    assert both.startswith(message)
    assert error(invoke, "serve").startswith(message)


def test_89_batching_parameters_that_do_not_fit(invoke, file, tmp_path):
    (tmp_path / "a" / "1").mkdir(parents=True)
    text = "max_batch_size { value: 4 } allowed_batch_sizes: 2 allowed_batch_sizes: 8"
    options = ["--enable-batching", "--batching-parameters-file", file(text)]
    line = error(invoke, "serve", tmp_path, *options)
    assert "Last entry in allowed_batch_sizes must match max_batch_size" in line


@pytest.mark.parametrize(
    "options", [["--batching-parameters-file", ""], ["--enable-per-model-batching-parameters"]]
)
def test_batching_parameters_without_batching(invoke, file, tmp_path, options):
    options = [option or file("") for option in options]
    line = error(invoke, "serve", tmp_path, *options)
    assert line.startswith("Expected `enable_batching` where parameters for it are given.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prometheus_config { port: 1 }", "Expected a MonitoringConfig"),
        ("max_batch_size { value: 4 }", "Expected a MonitoringConfig"),
    ],
)
def test_monitoring_config_of_another_kind(invoke, file, tmp_path, text, message):
    (tmp_path / "a" / "1").mkdir(parents=True)
    line = error(invoke, "serve", tmp_path, "--monitoring-config-file", file(text))
    assert message in line


@pytest.mark.parametrize(
    "option", ["--file-system-poll-wait-seconds", "--model-config-file-poll-wait-seconds"]
)
def test_negative_intervals(invoke, tmp_path, option):
    assert error(invoke, "serve", tmp_path, option, -1).startswith("Invalid value for")


@pytest.mark.parametrize("option", ["--model-config-file", "--reload-root"])
def test_files_that_are_not_there(invoke, tmp_path, option):
    assert "does not exist" in error(invoke, "serve", option, tmp_path / "nowhere")
