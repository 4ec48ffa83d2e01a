"""The build of aae_tf: copies `serving/`, the deployment files, into the wheel.

They are at the top of the repository, where operators read them, and `aae_tf/deployment/` in the
wheel, from where `aae-tf deploy` writes them. Everything else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithDeployment(build_py):
    """Builds the package, and copies the deployment files into it unless it is edited in place."""

    def run(self) -> None:
        """Builds the package."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "aae_tf", "deployment")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).parent / "serving", target)


setup(cmdclass={"build_py": BuildWithDeployment})
