"""Runs modules of the explorer's page in node, where it is installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aae_tf.explorer.page_app import PAGE

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed: apt-get install nodejs"
)

_HEAD = """
import { readFileSync } from "node:fs";
const load = name => import(new URL(name, import.meta.url));
const answer = value => console.log(JSON.stringify(value));
const input = JSON.parse(readFileSync(new URL("input.json", import.meta.url)));
"""


def run_in_node(folder: Path, program: str, given: Any) -> Any:
    """Runs a program that reads `input`, `load`s modules and calls `answer` once."""
    for path in PAGE.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.js").write_text(_HEAD + program)
    (folder / "input.json").write_text(json.dumps(given))
    done = subprocess.run(
        ["node", folder / "program.js"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
