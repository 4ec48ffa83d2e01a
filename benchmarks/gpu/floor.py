"""What a training step must compute and move, counted product by product.

784-1000-1000-8 and back, discriminator 8-1000-1000-1, Adam. See docs/gpu_step.md.
"""

from typing import NamedTuple

ENCODER = ((784, 1000), (1000, 1000), (1000, 8))
DECODER = ((8, 1000), (1000, 1000), (1000, 784))
DISCRIMINATOR = ((8, 1000), (1000, 1000), (1000, 1))
# Adam reads a weight, its gradient and two moments, and writes weight and moments: float32 each.
ADAM_BYTES = 28

Layers = tuple[tuple[int, int], ...]


class Work(NamedTuple):
    """What one step does.

    Attributes:
        flops: floating-point operations of the matrix products.
        adam_bytes: bytes that the optimizers move.
        activation_bytes: bytes of the products' factors and results other than weights, where
            nothing is fused.
    """

    flops: float
    adam_bytes: float
    activation_bytes: float


def count(schedule: str, batch: int, precision: str = "tf32") -> Work:
    """Counts one step of the "alternating" or the "joint" schedule."""
    # Forward; gradients of weights; gradients of inputs, which the first layer of a player that
    # starts from data does not need.
    forward = [*ENCODER, *DECODER]
    backward = [*forward, *forward[1:]]
    # Two rows, prior sample and code, for each row of the batch.
    judged = 2 * DISCRIMINATOR
    game = [*judged, *judged, *2 * DISCRIMINATOR[1:]]
    products = [*forward, *backward, *game]
    moved = weights(forward) + weights(DISCRIMINATOR)
    if schedule == "alternating":
        # The codes are encoded again, judged again by themselves, and the encoder has gradients of
        # its own.
        products += [*ENCODER, *DISCRIMINATOR, *DISCRIMINATOR, *ENCODER, *ENCODER[1:]]
        moved += weights(ENCODER)
    else:
        # The gradient with respect to the codes goes back through the pass of both.
        products += judged
    size = 2 if "16" in precision else 4
    return Work(
        flops=2.0 * batch * sum(width * height for width, height in products),
        adam_bytes=float(ADAM_BYTES * moved),
        activation_bytes=float(size * batch * sum(width + height for width, height in products)),
    )


def weights(layers: Layers | list[tuple[int, int]]) -> int:
    """Counts weights and biases."""
    return sum(width * height + height for width, height in layers)


def seconds(work: Work, flops_per_second: float, bytes_per_second: float) -> float:
    """Gives the floor: the products at the matrix rate, then the optimizers at the bandwidth."""
    return work.flops / flops_per_second + work.adam_bytes / bytes_per_second
