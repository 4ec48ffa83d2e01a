import subprocess
import sys


def run(code, environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, env=environment, timeout=600, check=False,
    )  # fmt: skip


FAKE = """
import os, sys, types
sys.argv[0] = "aae-tf"
class Finder:
    def find_spec(name, path, target=None):
        if name == "tensorflow":
            os.write(2, b"noise of TensorFlow\\n")
            {then}
sys.meta_path.insert(0, Finder)
from aae_tf.cli.common import import_quietly
"""
FOUND = (
    "sys.modules[name] = types.ModuleType(name); from importlib.machinery import ModuleSpec; "
    "return ModuleSpec(name, types.SimpleNamespace(create_module=lambda s: None, "
    "exec_module=lambda m: None))"
)


def test_noise_is_dropped_and_stderr_restored(environment):
    code = FAKE.format(then=FOUND) + "import_quietly(); os.write(2, b'mine\\n')"
    assert run(code, environment).stderr == "mine\n"


def test_noise_appears_where_the_import_fails(environment):
    code = FAKE.format(then="raise ImportError('broken')") + "import_quietly()"
    errors = run(code, environment).stderr
    assert errors.startswith("noise of TensorFlow\n")
    assert errors.strip().endswith("ImportError: broken")


def test_a_log_level_that_is_set_is_left_alone(environment):
    code = FAKE.format(then=FOUND) + (
        "import_quietly(); print('tensorflow' in sys.modules, os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    done = run(code, {**environment, "TF_CPP_MIN_LOG_LEVEL": "0"})
    assert done.stdout == "False 0\n"
