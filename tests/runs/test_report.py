import html.parser
import json

import numpy as np
import pytest

from aae_tf.runs import report
from aae_tf.runs.recipe import Recipe

HOSTILE = "<img src=x onerror=alert(1)>"


class Page(html.parser.HTMLParser):
    """The elements of a page, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run with two figures, whose names come from the user."""
    (tmp_path / "config.json").write_text(json.dumps({"versions": {"keras": "3"}}))
    monkeypatch.setattr(report, "draw_figures", lambda *args: iter([("latent", None)]))
    drawn = report.png
    monkeypatch.setattr(report, "png", lambda x: b"png" if x is None else drawn(x))
    return tmp_path


def test_page_shows_figures_numbers_and_settings_and_escapes_names(folder):
    recipe = Recipe(data=f"{HOSTILE}.csv", label_column=HOSTILE, epochs=3, seed=7)
    history = [{"loss": 2.5, "val_loss": 3.25, HOSTILE: 1.0}, {"loss": 1.5, HOSTILE: np.nan}]
    report.write_report(folder, None, recipe, None, history, None)
    page = Page((folder / "index.html").read_text())
    assert page.tags.count("img") == 2
    assert "script" not in page.tags
    for link in page.links:
        assert (folder / link).is_file() or link in ("history.csv",), link
    assert f"{HOSTILE}.csv" in page.text
    for text in ("1.5", "label_column", "seed 7", "2 epochs", "keras"):
        assert text in page.text


def test_a_run_without_a_finite_log_has_no_curves(folder):
    report.write_report(folder, None, Recipe(), None, [{"loss": np.nan}], None)
    assert not (folder / "learning_curves.png").exists()
    assert Page((folder / "index.html").read_text()).tags.count("img") == 1
