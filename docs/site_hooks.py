"""Hooks of mkdocs: pages for documents outside docs/, and links from page to page.

Documents of the repository link to each other by paths that work in a checkout. The site carries
those that stand outside docs/ below `repository/`, and translates the links. A link to a file that
the site does not carry becomes its text; a link to a file that does not exist stays, so that
`mkdocs build --strict` fails.
"""

import base64
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "repository"
DOCUMENTS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "benchmarks/gpu/README.md",
    "deploy/training/README.md",
    "serving/README.md",
    "examples/notebooks/*.ipynb",
)
IMAGES = ("benchmarks/images/*.png",)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_EXAMPLE = re.compile(r"(?P<lines>^(?P<indent> *)>>> .*(?:\n(?! *$).*)*)", re.MULTILINE)
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Adds the documents and images outside docs/."""
    for pattern in (*DOCUMENTS, *IMAGES):
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".ipynb":
                text, images = notebook_page(path)
                page = posixpath.join(PREFIX, name.removesuffix(".ipynb") + ".md")
                files.append(File.generated(config, page, content=text))
                for image, content in images.items():
                    place = posixpath.join(posixpath.dirname(page), image)
                    files.append(File.generated(config, place, content=content))
            else:
                site_path = posixpath.join(PREFIX, name)
                files.append(File.generated(config, site_path, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Translates links from paths of the repository to paths of the site."""
    here = page.file.src_uri
    if here == "index.md":
        markdown = (ROOT / "README.md").read_text(encoding="utf-8")
    folder = posixpath.dirname(_repository_path(here))

    def translate(match: re.Match) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or ":" in target:
            return match[0]
        name = posixpath.normpath(posixpath.join(folder, target))
        site_path = _site_path(name)
        if files.get_file_from_path(site_path):
            link = posixpath.relpath(site_path, posixpath.dirname(here) or ".")
            return f"{match['image']}[{match['text']}]({link}{'#' + anchor if anchor else ''})"
        return match["text"] if (ROOT / name).exists() else match[0]

    parts = _CODE.split(markdown)
    return "".join(part if i % 2 else _LINK.sub(translate, part) for i, part in enumerate(parts))


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Returns a notebook as Markdown, with the images of its outputs by file name."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    parts: list[str] = []
    images: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}_{len(images)}.png"
                images[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![Output of the cell above]({name})")
            else:
                lines = "".join(output.get("text", data.get("text/plain", [])))
                parts.append(f"```text\n{lines.rstrip()}\n```")
    return "\n\n".join(parts) + "\n", images


class ExamplesAsCode(griffe.Extension):
    """Fences the examples of docstrings, so that `>>>` is no quotation in Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fences every paragraph that begins with a prompt."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(
                r"\g<indent>```pycon\n\g<lines>\n\g<indent>```", obj.docstring.value
            )


def _repository_path(site_path: str) -> str:
    if site_path == "index.md":
        return "README.md"
    if site_path.startswith(f"{PREFIX}/"):
        return site_path.removeprefix(f"{PREFIX}/")
    return f"docs/{site_path}"


def _site_path(name: str) -> str:
    if name == "README.md":
        return "index.md"
    if name.endswith(".ipynb"):
        name = name.removesuffix(".ipynb") + ".md"
    return name.removeprefix("docs/") if name.startswith("docs/") else f"{PREFIX}/{name}"
