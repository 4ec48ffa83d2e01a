"""Links, paths, names and code of the documents hold against the repository."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import aae_tf

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "serving", "deploy")
DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *(path for name in FOLDERS for path in ROOT.glob(f"{name}/**/*.md"))}
)
# What was once is told there by its old names.
HISTORY = {ROOT / "CHANGELOG.md"}
CURRENT = [path for path in DOCUMENTS if path not in HISTORY]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:aae_tf|benchmarks|docs|examples|tests|serving|deploy)/[\w./-]*\w")
_PACKAGES = "|".join(name for name in aae_tf.__all__ if name.islower())
_NAME = re.compile(rf"(?:aae_tf\.)?(?:{_PACKAGES})\.[\w.]+")


def _name(path):
    return path.relative_to(ROOT).as_posix()


def _without_code(text):
    return _SPAN.sub("", _FENCE.sub("", text))


def _anchors(path):
    """Returns the anchors of headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(path):
    for link in _LINK.findall(_without_code(path.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if ":" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        if anchor:
            assert anchor in _anchors(file), link


@pytest.mark.parametrize("path", CURRENT, ids=_name)
def test_files_that_are_named_exist(path):
    for span in _SPAN.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        for name in _PATH.findall(span):
            if "NAME" not in name:
                assert (ROOT / name).exists(), span


@pytest.mark.parametrize("path", CURRENT, ids=_name)
def test_names_of_the_package_exist(path):
    for span in _SPAN.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        match = _NAME.match(span)
        # `models.config` is a file.
        if match is None or "/" in span or match[0].endswith((".config", ".json", ".py")):
            continue
        package, *attributes = match[0].removeprefix("aae_tf.").split(".")
        found = importlib.import_module(f"aae_tf.{package}")
        for attribute in attributes:
            assert hasattr(found, attribute), span
            found = getattr(found, attribute)


@pytest.mark.parametrize("path", CURRENT, ids=_name)
def test_python_parses(path):
    for language, code in _FENCE.findall(path.read_text(encoding="utf-8")):
        if language == "python":
            # Coroutines are shown without the function around them.
            compile(code, f"<{_name(path)}>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if page not in text} == set()
