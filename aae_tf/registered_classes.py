"""Names under which saved files refer to classes of this package, known to Keras before import.

Keras loads a saved object by the name under which its class was registered, and a class is
registered when its module is imported. `import aae_tf` imports none, so that a client of a server
needs no TensorFlow. Instead, as soon as both Keras and this package are imported, Keras gets a
`DeferredClass` for each name; the class itself takes its place when its module is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# A package registers these classes, under "aae_tf>" and their names, when it is imported.
REGISTERED = {
    "aae_tf.models": (
        "AAE",
        "Balance",
        "ClusteringAAE",
        "EmbeddingAAE",
        "GAN",
        "GMMN",
        "Guard",
        "LabelGuidedAAE",
        "SemiSupervisedAAE",
        "SupervisedAAE",
        "VAE",
    ),
    "aae_tf.divergences": (
        "Adversarial",
        "BlockProduct",
        "CoordinateProduct",
        "Energy",
        "FourierFeatures",
        "MMD",
        "SlicedGaussian",
        "SlicedWasserstein",
    ),
    "aae_tf.losses": (
        "ColumnLosses",
        "HeadDistance",
        "KullbackLeibler",
        "MutualInformation",
        "StandardizedError",
        "VirtualAdversarial",
    ),
    "aae_tf.networks": ("RowDropout", "RowGaussianNoise", "TableColumns", "TableFeatures"),
    "aae_tf.posteriors": ("Deterministic", "Gaussian", "Universal"),
}


class DeferredClass:
    """Stands for a registered class: every use of it imports the class and is passed on to it."""

    def __init__(self, registered_name: str, module: str) -> None:
        self._registered_name = registered_name
        self._module = module

    def resolve(self) -> type:
        """Imports the class, which registers it in place of this object, and returns it."""
        importlib.import_module(self._module)
        from keras.saving import get_custom_objects

        return get_custom_objects()[self._registered_name]

    def __getattr__(self, name: str) -> Any:
        if name in ("_registered_name", "_module"):  # a copy asks before it has them
            raise AttributeError(name)
        return getattr(self.resolve(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds an instance of the class."""
        return self.resolve()(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self._registered_name}, imported when used>"


def find_registered_class(registered_name: str) -> Any:
    """Returns what is registered with Keras under a name, imported if need be, or None."""
    from keras.saving import get_registered_object

    found = get_registered_object(registered_name)
    return found.resolve() if isinstance(found, DeferredClass) else found


def register_when_keras_is_imported() -> None:
    """Tells Keras the names of `REGISTERED`: now if it is imported already, or else right after."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _KerasFinder())


def _register() -> None:
    from keras.saving import get_custom_objects

    custom_objects = get_custom_objects()
    for module, names in REGISTERED.items():
        for name in names:
            custom_objects.setdefault(f"aae_tf>{name}", DeferredClass(f"aae_tf>{name}", module))


class _KerasFinder:
    """Finds Keras as the other finders do, and registers the names once it has been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                loader.exec_module = execute
                execute(module)
                _register()

            loader.exec_module = execute_and_register
        return spec
