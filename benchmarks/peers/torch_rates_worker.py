"""Measures PyTorch's matrix rate and memory bandwidth, as `tf_rates_worker.py` does TensorFlow's.

python benchmarks/peers/torch_rates_worker.py
"""

import rates
import rounds
import torch


def products(batch: int, clock: str) -> dict[str, float]:
    """Gives 1e9 operations a second by product, kernels stored as `nn.Linear` stores them."""
    result = {}
    for name, (rows, depth, columns) in rates.shapes(batch).items():
        if name.startswith("kernel"):
            left, right = torch.rand(depth, rows).T, torch.rand(depth, columns)
        else:
            kernel = torch.rand(columns, depth)
            left, right = torch.rand(rows, depth), kernel if "input" in name else kernel.T
        out = torch.empty(rows, columns)
        result[name] = rates.gigaflops(
            (rows, depth, columns), lambda a=left, b=right, c=out: torch.mm(a, b, out=c), clock
        )
    return result


def main() -> None:
    """Answers rounds."""
    arguments = rounds.parser(__doc__).parse_args()
    clock = arguments.clock
    torch.set_num_threads(arguments.threads)
    left, right = torch.rand(rates.STREAM), torch.rand(rates.STREAM)
    rounds.answer(
        {
            "100": lambda: products(100, clock),
            "1000": lambda: products(1000, clock),
            "stream": lambda: {"gigabytes": rates.gigabytes(lambda: left.add_(right), clock)},
        }
    )


if __name__ == "__main__":
    main()
