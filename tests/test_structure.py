"""The files of the package: how many they are, and who may import whom."""

import ast
import graphlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import aae_tf

PACKAGE = Path(aae_tf.__file__).parent
CHECKOUT = PACKAGE.parent

# Downwards only: a module imports from its own folder and from the layers after it.
LAYERS = [
    {"cli"},
    {"explorer"},
    {"bulk"},
    {"offline"},
    {"serving"},
    {"runs"},
    {"detector"},
    {"callbacks"},
    {"evaluation"},
    {"models"},
    {"training"},
    {"export"},
    {"divergences"},
    {"mmd"},
    {"networks", "posteriors", "priors", "losses", "data"},
    {"tables"},
    {"replicas"},
    {"checks", "column_arrays", "files", "registered_classes"},
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}

MODULES = {
    ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _import_statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yields the imports that are executed, those of functions included, those of types not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _import_statements(node)


def _imported_modules(path: Path) -> set[str]:
    """Names the modules of the package that a file imports anywhere."""
    imported = set()
    for node in _import_statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
            continue
        assert not node.level, f"{path}:{node.lineno} imports relatively"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            imported.add(inner if inner in MODULES else str(node.module))
    return {name for name in imported if name.split(".")[0] == "aae_tf"}


IMPORTS = {name: _imported_modules(path) - {name} for name, path in MODULES.items()}


def test_package_has_at_most_319_files():
    assert len(MODULES) <= 319


def test_every_file_belongs_to_a_layer():
    folders = {name.split(".")[1] for name in MODULES if "." in name}
    assert folders <= set(DEPTH)


@pytest.mark.parametrize("layer", sorted({name.split(".")[1] for name in MODULES if "." in name}))
def test_imports_go_downwards(layer):
    for name in MODULES:
        if name.split(".")[1:2] != [layer]:
            continue
        for imported in IMPORTS[name] - {"aae_tf"}:
            other = imported.split(".")[1]
            assert other == layer or DEPTH[other] > DEPTH[layer], f"{name} imports {imported}"


def test_no_circle_of_imports():
    # Raises a CycleError that names the modules. What `aae_tf` itself imports is lazy.
    graphlib.TopologicalSorter({n: i - {"aae_tf"} for n, i in IMPORTS.items()}).prepare()


def test_what_a_server_imports_does_not_import_tensorflow_probability():
    """A server would wait for it three times as long as for the rest of the package."""
    for name, path in MODULES.items():
        if name.split(".")[1:2] in (["serving"], ["export"]):
            top = [
                node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import)
            ]
            names = {alias.name for node in top for alias in node.names}
            assert "tensorflow_probability" not in names, name


def test_no_product_file_is_called_a_test():
    assert not [name for name in MODULES if name.endswith("_test")]


def test_top_level_folders_have_names_of_their_own():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    folders = {name.split("/")[0] for name in tracked if "/" in name}
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders & packages <= {"serving"}
