"""Measures TensorFlow's matrix rate and memory bandwidth on the shapes of a step.

python benchmarks/peers/tf_rates_worker.py
"""

import os

import rates
import rounds

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf


def products(batch: int, clock: str) -> dict[str, float]:
    """Gives 1e9 operations a second by product, kernels stored as `keras.layers.Dense` does."""
    result = {}
    for name, (rows, depth, columns) in rates.shapes(batch).items():
        of_kernel, of_input = name.startswith("kernel"), name.startswith("input")
        left = tf.random.uniform([depth, rows] if of_kernel else [rows, depth])
        right = tf.random.uniform([columns, depth] if of_input else [depth, columns])

        def product(a=left, b=right, left_is_transposed=of_kernel, right_is_transposed=of_input):
            return multiply(a, b, left_is_transposed, right_is_transposed)

        result[name] = rates.gigaflops((rows, depth, columns), product, clock)
    return result


@tf.function
def multiply(a: tf.Tensor, b: tf.Tensor, transpose_a: bool, transpose_b: bool) -> tf.Tensor:
    return tf.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def main() -> None:
    """Answers rounds."""
    arguments = rounds.parser(__doc__).parse_args()
    clock = arguments.clock
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    total, term = tf.Variable(tf.random.uniform([rates.STREAM])), tf.random.uniform([rates.STREAM])

    @tf.function
    def add() -> None:
        total.assign_add(term, read_value=False)

    rounds.answer(
        {
            "100": lambda: products(100, clock),
            "1000": lambda: products(1000, clock),
            "stream": lambda: {"gigabytes": rates.gigabytes(add, clock)},
        }
    )


if __name__ == "__main__":
    main()
