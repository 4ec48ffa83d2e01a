"""Measures what `import aae_tf` takes beyond TensorFlow, Keras and TensorFlow Probability.

    python benchmarks/import_time.py [--rounds 7]

Each round is a new process. Prints Markdown.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from report import add_measuring_options, clock_of, table, verdict

# TensorFlow Probability loads its parts when they are first asked for: they are asked for here.
PROGRAM = """
import json, sys, time
now = time.{clock}
start = now()
import tensorflow, keras
import tensorflow_probability as tfp
tfp.distributions.Normal, tfp.bijectors.Shift, tfp.math.psd_kernels.ExponentiatedQuadratic
before, middle = set(sys.modules), now()
import aae_tf
end = now()
new = sorted(set(name.split(".")[0] for name in set(sys.modules) - before))
print(json.dumps(dict(theirs=middle - start, ours=end - middle, new=new)))
"""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_measuring_options(parser, rounds=7)
    arguments = parser.parse_args()
    program = PROGRAM.format(clock=clock_of(arguments.clock).__name__)
    answers = []
    # The first round fills caches of the file system.
    for _ in range(arguments.rounds + 1):
        output = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        ).stdout
        answers.append(json.loads(output.splitlines()[-1]))
    theirs, ours = (
        float(np.median([answer[key] for answer in answers[1:]])) for key in ("theirs", "ours")
    )
    rows = [
        ("tensorflow, keras, tensorflow_probability, s", "", f"{theirs:.2f}"),
        ("aae_tf after these, s", verdict(ours, 0.3, at_most=True), f"{ours:.2f}"),
        ("packages that it brings", "", ", ".join(answers[-1]["new"])),
    ]
    print(f"## Import\n\n{table(('median of new processes', 'reach', 'measured'), rows)}")


if __name__ == "__main__":
    main()
