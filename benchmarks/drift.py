"""Measures `DriftMonitor`: milliseconds of a test, and false alarms where nothing drifts.

    PYTHONPATH=. python benchmarks/drift.py [WINDOWS]

Codes have 8 dimensions and the prior N(0, I). Those without drift are N(0, I) itself, or have 1.15
times its deviation and a mean of 0.1, or a folded first coordinate; 20,000 held-out codes
calibrate, and each window has 1,000.
"""

import sys
import time

import numpy as np

from aae_tf import priors
from aae_tf.detector import DriftMonitor

DIMENSION, HELD_OUT, WINDOW, RATE = 8, 20_000, 1000, 0.01
GENERATORS = {
    "exact": lambda codes: codes,
    "scaled": lambda codes: 1.15 * codes + 0.1,
    "folded": lambda codes: 0.9 * np.c_[1.3 * np.abs(codes[:, :1]) - 0.6, codes[:, 1:]],
}


def main(windows: int = 2000) -> None:
    prior = priors.gaussian(DIMENSION)
    for name, generate in GENERATORS.items():
        for num_features in (None, 256):
            generator = np.random.default_rng(5)

            def draw(
                count: int, generator: np.random.Generator = generator, generate=generate
            ) -> np.ndarray:
                codes = generator.standard_normal((count, DIMENSION), dtype=np.float32)
                return generate(codes).astype(np.float32)

            monitor = DriftMonitor(prior, RATE, num_features).fit(draw(HELD_OUT))
            monitor.test(draw(WINDOW))
            seconds, alarms = [], 0
            for _ in range(windows):
                window = draw(WINDOW)
                start = time.perf_counter()
                alarms += monitor.test(window).is_drift
                seconds.append(time.perf_counter() - start)
            shifted = np.mean([monitor.test(draw(WINDOW) + 0.1).is_drift for _ in range(20)])
            print(
                f"{name}, {num_features or 'all pairs'}: {alarms / windows:.2%} false alarms, "
                f"{1e3 * np.median(seconds):.1f} ms (smallest {1e3 * min(seconds):.1f}), "
                f"{shifted:.0%} of windows found whose mean moved by 0.1",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
