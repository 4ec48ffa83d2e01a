"""What can be said of each variant while TensorFlow is not yet imported."""

from typing import NamedTuple


class Variant(NamedTuple):
    """One model of the family, as `--model` names it.

    Attributes:
        labels: which labels it asks for, as `models.BaseModel.labels`: "none", "any", "some" or
            "all".
        has_encoder: whether inputs have codes.
        has_classes: whether samples can be asked for by class.
        splits_code: whether a code is a class and a style.
    """

    labels: str = "none"
    has_encoder: bool = True
    has_classes: bool = False
    splits_code: bool = False


VARIANTS = {
    "aae": Variant(),
    "label-guided": Variant(labels="some", has_classes=True),
    "supervised": Variant(labels="all", has_classes=True),
    "semi-supervised": Variant(labels="some", has_classes=True, splits_code=True),
    "clustering": Variant(has_classes=True, splits_code=True),
    "embedding": Variant(labels="any", has_classes=True, splits_code=True),
    "vae": Variant(),
    "gan": Variant(has_encoder=False),
    "gmmn": Variant(has_encoder=False),
}

# Groups of names, for the fields of a recipe that not every model has.
WITH_ENCODER = tuple(name for name, variant in VARIANTS.items() if variant.has_encoder)
WITH_DIVERGENCE = tuple(name for name in VARIANTS if name != "vae")
WITH_FEW_LABELS = tuple(name for name, v in VARIANTS.items() if v.labels in ("some", "any"))
WITH_STYLE = tuple(name for name, variant in VARIANTS.items() if variant.splits_code)
