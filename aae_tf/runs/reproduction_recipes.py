"""The recipes of the paper's tables: further ones of the paper, improved, without adversary, conv.

Each starts from a preset and says what it changes. Every value was chosen on the validation split
of MNIST, by one training of seed 0 for each value, unless docs/reproducing.md says otherwise.
"""

from aae_tf.runs.presets import PRESETS, Fields, NamedRecipe

_FAST: Fields = {"steps_per_execution": 10}


def _changed(preset: str, changes: Fields, *dropped: str) -> Fields:
    """Gives the fields of a preset with some changed, and others dropped."""
    return {k: v for k, v in {**PRESETS[preset].fields, **changes}.items() if k not in dropped}


# An even use of all clusters demands equal clusters of ten classes, which splits some of these and
# merges others: a smaller weight of the marginal leaves clusters empty instead.
_CLUSTERS: Fields = {
    "information_weight": 0.3,
    "information_marginal": 1.5,
    "epochs": 32,
    "starts": 4,
    "start_epochs": 3,
    **_FAST,
}
_SEMI_SUPERVISED_100: Fields = {"epochs": 32, **_FAST}
# The prior of the class is not needed where there are labels for the frequency of each.
_SEMI_SUPERVISED_1000: Fields = {
    "batch_size": 125,
    "labelled_batch": 50,
    "class_divergence": "none",
    "epochs": 45,
    **_FAST,
}
_SEMI_SUPERVISED_ALL: Fields = {
    "labels": None,
    "batch_size": 125,
    "class_divergence": "none",
    "consistency_radius": 2.0,
    "epochs": 20,
    **_FAST,
}
_OF_CLASS = ("class_divergence_weight", "class_divergence_start")
_FEW_LABELS: Fields = {
    "labels": 100,
    "labelled_batch": 25,
    "batch_size": 125,
    "epochs": 24,
    **_FAST,
}

_OF_DISCRIMINATOR = ("discriminator_units", "discriminator_momentum")
# The reconstruction has a hundredth of its weight in these recipes, and so has the MMD.
_MMD: Fields = {"divergence": "mmd", "divergence_weight": 1.0, "class_divergence": "none"}

_CONV: Fields = {
    "network": "conv",
    "units": (256,),
    "input_noise": 0.3,
    # Two pixels of 28.
    "shift": 0.07,
    "rotation": 10.0,
}

IMPROVED: dict[str, NamedRecipe] = {
    "improved-semi-supervised-100": NamedRecipe(
        "classification with 100 labels, more steps",
        _changed("semi-supervised-100", _SEMI_SUPERVISED_100),
    ),
    "improved-semi-supervised-1000": NamedRecipe(
        "classification with 1,000 labels, smaller batches and more steps",
        _changed("semi-supervised-1000", _SEMI_SUPERVISED_1000, *_OF_CLASS),
    ),
    "improved-semi-supervised-all": NamedRecipe(
        "classification with all labels",
        _changed("semi-supervised-1000", _SEMI_SUPERVISED_ALL, *_OF_CLASS, "labelled_batch"),
    ),
    "improved-clustering-16": NamedRecipe(
        "16 clusters, the best of four starts", _changed("clustering-16", _CLUSTERS)
    ),
    "improved-clustering-30": NamedRecipe(
        "30 clusters, the best of four starts", _changed("clustering-30", _CLUSTERS)
    ),
    "improved-embedding-2d-100": NamedRecipe(
        "a map in two dimensions with 100 labels", _changed("embedding-2d", _FEW_LABELS)
    ),
    "improved-embedding-2d-unsupervised": NamedRecipe(
        "a map in two dimensions without labels, 20 clusters, the best of four starts",
        _changed("embedding-2d", {"labels": 0, "clusters": 20, **_CLUSTERS}),
    ),
    "improved-embedding-10d-100": NamedRecipe(
        "ten dimensions around fixed heads, with 100 labels, more steps",
        _changed("embedding-10d", {"epochs": 24, **_FAST}),
    ),
    "improved-likelihood-decoder-fit": NamedRecipe(
        "AAE whose decoder is fitted to its own prior samples after the training",
        _changed("likelihood", {"epochs": 8, "decoder_fit_steps": 300}),
    ),
}


def _without_adversary(preset: str, changes: Fields) -> Fields:
    return _changed(preset, {**changes, **_MMD}, *_OF_CLASS, *_OF_DISCRIMINATOR)


MMD: dict[str, NamedRecipe] = {
    "mmd-semi-supervised-100": NamedRecipe(
        "100 labels, with the MMD in place of every adversary",
        _without_adversary("semi-supervised-100", _FAST),
    ),
    "mmd-semi-supervised-1000": NamedRecipe(
        "1,000 labels, with the MMD in place of every adversary",
        _without_adversary("semi-supervised-1000", _SEMI_SUPERVISED_1000),
    ),
    "mmd-clustering-16": NamedRecipe(
        "16 clusters, with the MMD in place of every adversary",
        _without_adversary("clustering-16", _CLUSTERS),
    ),
    "mmd-clustering-30": NamedRecipe(
        "30 clusters, with the MMD in place of every adversary",
        _without_adversary("clustering-30", _CLUSTERS),
    ),
}

CONV: dict[str, NamedRecipe] = {
    "conv-semi-supervised-100": NamedRecipe(
        "100 labels, with convolutions, noise, shifts and rotations",
        _changed("semi-supervised-100", {**_SEMI_SUPERVISED_100, **_CONV}),
    ),
    "conv-clustering-16": NamedRecipe(
        "16 clusters, with convolutions, noise, shifts and rotations",
        _changed("clustering-16", {**_CLUSTERS, **_CONV}),
    ),
}

_PAPER_EMBEDDING: Fields = {"model": "embedding", "code_dim": 2}
PAPER: dict[str, NamedRecipe] = {
    "paper-semi-supervised-1000": NamedRecipe(
        "1,000 labels with the paper's settings",
        _changed("paper-semi-supervised", {"labels": 1000}),
        "paper: 1.60 % test error",
    ),
    "paper-semi-supervised-all": NamedRecipe(
        "all labels with the paper's settings",
        _changed("paper-semi-supervised", {"labels": None}),
        "paper: 0.85 % test error",
    ),
    "paper-clustering-30": NamedRecipe(
        "30 clusters with the paper's settings",
        _changed("paper-clustering", {"clusters": 30}),
        "paper: 4.10 % test error",
    ),
    "paper-embedding-2d-1000": NamedRecipe(
        "a map in two dimensions with 1,000 labels and the paper's settings",
        _changed("paper-semi-supervised", {**_PAPER_EMBEDDING, "labels": 1000}),
        "paper: 4.20 % test error",
    ),
    "paper-embedding-2d-100": NamedRecipe(
        "a map in two dimensions with 100 labels and the paper's settings",
        _changed("paper-semi-supervised", _PAPER_EMBEDDING),
        "paper: 6.08 % test error",
    ),
    "paper-embedding-2d-unsupervised": NamedRecipe(
        "a map in two dimensions of 20 clusters with the paper's settings",
        _changed("paper-clustering", {**_PAPER_EMBEDDING, "clusters": 20, "labels": 0}),
        "paper: 13.95 % test error",
    ),
    "paper-embedding-10d-100": NamedRecipe(
        "ten dimensions around fixed heads with 100 labels and the paper's settings",
        _changed("paper-semi-supervised", {"model": "embedding", "heads_scale": 10.0}),
        "paper: 3.90 % test error",
    ),
}

REPRODUCTION_RECIPES: dict[str, NamedRecipe] = {
    name: recipe._replace(kind=kind)
    for kind, recipes in (("improved", IMPROVED), ("mmd", MMD), ("conv", CONV), ("paper", PAPER))
    for name, recipe in recipes.items()
}
