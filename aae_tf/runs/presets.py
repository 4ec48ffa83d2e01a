"""The recipes of single models by name, and the defaults of each model."""

from typing import Any, NamedTuple

Fields = dict[str, Any]


class NamedRecipe(NamedTuple):
    """A recipe that has a name.

    Attributes:
        summary: what the recipe trains, in one line.
        fields: values that differ from the defaults of `Recipe`.
        expected: published result and its source; empty if there is none.
        kind: one of `reproduction_rows.KINDS` where that is not "preset"; empty for presets.
    """

    summary: str
    fields: Fields
    expected: str = ""
    kind: str = ""


_MNIST: Fields = {"data": "mnist"}

# Models whose code is one latent vector.
_ADAM: Fields = {"learning_rate": 1e-3, "learning_rate_schedule": "linear"}
_SMALL: Fields = {"units": (500, 500), "discriminator_units": (500, 500)}
_LATENT_2D: Fields = {"code_dim": 2, **_SMALL, **_ADAM, "epochs": 5}
# With a weaker discriminator, codes of one class stay where those of another belong.
_STRONG_DISCRIMINATOR: Fields = {
    "divergence_weight": 5.0,
    "momentum": 0.5,
    "discriminator_learning_rate": 1e-3,
}
_LATENT_2D_ADVERSARIAL: Fields = {**_LATENT_2D, **_STRONG_DISCRIMINATOR}
_RING: Fields = {"prior": "ring_mixture", "epochs": 20, "steps_per_execution": 10}
_LATENT_2D_VAE: Fields = {
    "model": "vae",
    "posterior": "gaussian",
    "code_dim": 2,
    "units": (500, 500),
    **_ADAM,
    "epochs": 5,
}
_LABEL_GUIDED: Fields = {
    "model": "label-guided",
    "prior": "ring_mixture",
    "code_dim": 2,
    "batch_normalization": True,
    # Labelled digits reach their component soon; the noise regularizes the codes of the others.
    "input_noise": 0.3,
    **_SMALL,
    **_ADAM,
    "epochs": 10,
}
# Fully connected networks overfit 10,000 labelled digits: 0.3% of these are wrong, 5.2% of others.
# Convolutions generalize, and on a wider ring no digit lies between two components.
_LABEL_GUIDED_IMAGES: Fields = {
    **_LABEL_GUIDED,
    "network": "conv",
    "batch_normalization": False,
    "input_noise": 0.0,
    "ring_radius": 6.0,
    "epochs": 6,
    "steps_per_execution": 10,
}
# With a smaller weight, codes of one class stay in the component of another.
_GUIDING_DISCRIMINATOR: Fields = {**_STRONG_DISCRIMINATOR, "divergence_weight": 20.0}
_STYLE: Fields = {"code_dim": 15, **_SMALL, **_ADAM, **_STRONG_DISCRIMINATOR, "epochs": 5}
# Codes whose aggregate matches the prior may still reveal the class.
_SUPERVISED: Fields = {**_STYLE, "model": "supervised", "match_within_classes": True}
_VAE: Fields = {
    "model": "vae",
    "posterior": "gaussian",
    "reconstruction_loss": "bernoulli",
    **_ADAM,
    "epochs": 12,
}
_GAN: Fields = {
    "model": "gan",
    "code_dim": 8,
    "learning_rate": 2e-4,
    "discriminator_learning_rate": 2e-4,
    "momentum": 0.5,
    "epochs": 12,
}
_GMMN: Fields = {
    "model": "gmmn",
    "prior": "uniform",
    "code_dim": 10,
    "divergence": "mmd",
    "batch_size": 1000,
    **_ADAM,
    "epochs": 30,
}

# Models whose code is a class and a style. The terms that determine the class, labels, consistency
# and information, are a few nats each; the reconstruction is dozens, and gets a small weight.
_CLASS_STYLE: Fields = {
    "units": (500, 500),
    "discriminator_units": (500, 500),
    "activation": "leaky_relu",
    "batch_normalization": True,
    "divergence_weight": 0.2,
    "class_divergence": "none",
    "consistency_weight": 1.0,
    "consistency_radius": 1.5,
    "consistency_difference": 10.0,
    "information_weight": 0.1,
    "information_marginal": 4.0,
    "reconstruction_weight": 0.01,
    "learning_rate": 2e-3,
    "learning_rate_schedule": "linear",
    "discriminator_momentum": 0.5,
    "batch_size": 250,
}
_SEMI_SUPERVISED: Fields = {
    **_CLASS_STYLE,
    "model": "semi-supervised",
    # A discriminator that acted from the first step on would fix classes that are still random.
    "class_divergence": "adversarial",
    "class_divergence_weight": 0.1,
    "class_divergence_start": 0.5,
    "code_dim": 10,
    "labelled_batch": 25,
    "batch_size": 125,
    "epochs": 12,
}
_CLUSTERING: Fields = {
    **_CLASS_STYLE,
    "model": "clustering",
    "code_dim": 5,
    "clusters": 16,
    "epochs": 12,
}
_EMBEDDING: Fields = {
    **_CLASS_STYLE,
    "model": "embedding",
    "code_dim": 2,
    "head_distance": 3.0,
    "epochs": 8,
}

# The settings of the paper: gradient descent in alternating phases, thousands of epochs.
_PAPER: Fields = {
    "optimizer": "sgd",
    "schedule": "alternating",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "discriminator_learning_rate": 0.1,
    "discriminator_momentum": 0.1,
    "regularization_learning_rate": 0.1,
    "regularization_momentum": 0.1,
    "learning_rate_schedule": "step",
    "learning_rate_steps": (50, 1000),
    "units": (1000, 1000),
    "discriminator_units": (1000, 1000),
    "batch_size": 100,
}

PRESETS = {
    "likelihood": NamedRecipe(
        "AAE for the log-likelihood of samples: 8 dimensions, standard deviation 5",
        {
            **_MNIST,
            "model": "aae",
            "code_dim": 8,
            "prior_scale": 5.0,
            "divergence_weight": 3.0,
            # Otherwise the discriminator mostly tells moments apart.
            "normalize_codes": True,
            # A tenth of the prior's deviation: the decoder learns outputs between the codes too.
            "decoder_input_noise": 0.5,
            **_ADAM,
            "momentum": 0.5,
            "discriminator_learning_rate": 1e-3,
            "epochs": 30,
            "steps_per_execution": 10,
        },
    ),
    "paper-likelihood": NamedRecipe(
        "the same with the paper's settings",
        {**_MNIST, **_PAPER, "code_dim": 8, "prior_scale": 5.0, "epochs": 5000},
        "paper: Parzen log-likelihood 340 nats, 10,000 samples",
        "paper",
    ),
    "latent-2d-gaussian": NamedRecipe(
        "AAE in two dimensions, drawn to a Gaussian", {**_MNIST, **_LATENT_2D_ADVERSARIAL}
    ),
    "latent-2d-ring": NamedRecipe(
        "AAE in two dimensions, drawn to Gaussians on a ring",
        {**_MNIST, **_LATENT_2D_ADVERSARIAL, **_RING},
    ),
    "latent-2d-gaussian-mmd": NamedRecipe(
        "the same with the MMD in place of the adversary",
        {**_MNIST, **_LATENT_2D, "divergence": "mmd"},
    ),
    "latent-2d-gaussian-vae": NamedRecipe(
        "the variational autoencoder beside them", {**_MNIST, **_LATENT_2D_VAE}
    ),
    "latent-2d-ring-mmd": NamedRecipe(
        "AAE drawn to the ring by the MMD",
        {**_MNIST, **_LATENT_2D, **_RING, "divergence": "mmd"},
    ),
    "latent-2d-ring-vae": NamedRecipe(
        "the variational autoencoder beside them",
        {**_MNIST, **_LATENT_2D_VAE, **_RING},
    ),
    "latent-2d-swiss-roll": NamedRecipe(
        "AAE in two dimensions, drawn to a swiss roll",
        {**_MNIST, **_LATENT_2D_ADVERSARIAL, "prior": "swiss_roll"},
    ),
    "label-guided": NamedRecipe(
        "10,000 labels say which Gaussian of a ring a digit belongs to",
        {**_MNIST, **_LABEL_GUIDED_IMAGES, **_GUIDING_DISCRIMINATOR, "labels": 10_000},
    ),
    "label-guided-mmd": NamedRecipe(
        "the same by the MMD within each class",
        {**_MNIST, **_LABEL_GUIDED_IMAGES, "labels": 10_000, "divergence": "mmd"},
    ),
    "supervised": NamedRecipe(
        "style apart from the label, which the decoder is told", {**_MNIST, **_SUPERVISED}
    ),
    "supervised-reference": NamedRecipe(
        "the AAE beside it, whose decoder is not told",
        {**_MNIST, **_STYLE, "model": "aae"},
    ),
    "semi-supervised-100": NamedRecipe(
        "classification with 100 labels", {**_MNIST, **_SEMI_SUPERVISED, "labels": 100}
    ),
    "semi-supervised-1000": NamedRecipe(
        "classification with 1,000 labels",
        {
            **_MNIST,
            **_SEMI_SUPERVISED,
            "labels": 1000,
            "labelled_batch": 100,
            "batch_size": 250,
            "consistency_radius": 2.0,
            "epochs": 12,
        },
    ),
    "paper-semi-supervised": NamedRecipe(
        "classification with 100 labels, with the paper's settings",
        {
            **_MNIST,
            **_PAPER,
            "model": "semi-supervised",
            "labels": 100,
            "code_dim": 10,
            "input_noise": 0.3,
            "epochs": 5000,
        },
        "paper: 1.90 % test error",
        "paper",
    ),
    "clustering-16": NamedRecipe("16 clusters without labels", {**_MNIST, **_CLUSTERING}),
    "clustering-30": NamedRecipe(
        "30 clusters without labels", {**_MNIST, **_CLUSTERING, "clusters": 30, "epochs": 14}
    ),
    "paper-clustering": NamedRecipe(
        "16 clusters with the paper's settings",
        {
            **_MNIST,
            **_PAPER,
            "model": "clustering",
            "code_dim": 5,
            "clusters": 16,
            "units": (3000, 3000),
            "discriminator_units": (3000, 3000),
            "batch_normalization": True,
            "dropout": 0.2,
            "learning_rate_steps": (50,),
            "epochs": 1500,
        },
        "paper: 9.55 % test error; with clusters=30, 4.10 %",
        "paper",
    ),
    "embedding-2d": NamedRecipe(
        "a map of the digits in two dimensions, with 1,000 labels",
        {**_MNIST, **_EMBEDDING, "labels": 1000},
    ),
    "embedding-10d": NamedRecipe(
        "ten dimensions around fixed heads, with 100 labels",
        {
            **_MNIST,
            **_CLASS_STYLE,
            "model": "embedding",
            "labels": 100,
            "labelled_batch": 25,
            "batch_size": 125,
            "code_dim": 10,
            "heads_scale": 10.0,
            "epochs": 12,
        },
    ),
    "vae": NamedRecipe("the variational autoencoder, a baseline", {**_MNIST, **_VAE}),
    "gan": NamedRecipe("the generative adversarial network, a baseline", {**_MNIST, **_GAN}),
    "gmmn": NamedRecipe("the generative moment matching network, a baseline", {**_MNIST, **_GMMN}),
}

# Values that `--model NAME` starts from if no recipe is named; other models start from `Recipe`.
DEFAULTS: dict[str, Fields] = {
    "label-guided": {**_LABEL_GUIDED, **_GUIDING_DISCRIMINATOR},
    "supervised": _SUPERVISED,
    "semi-supervised": _SEMI_SUPERVISED,
    "clustering": _CLUSTERING,
    "embedding": _EMBEDDING,
    "vae": _VAE,
    "gan": _GAN,
    "gmmn": _GMMN,
}
