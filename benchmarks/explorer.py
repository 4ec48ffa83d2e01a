"""What the explorer's page takes in Chromium: to the first picture, to a picture, for a frame.

    python benchmarks/explorer.py [RUN] [--rounds 3]

RUN is a finished run, such as runs/quickstart: its time from the command to a moving picture is
measured by starting `aae-tf explore RUN`. The other numbers are those of two models of the sizes of
the quickstart and of MNIST, untrained, served in this process, in rounds that take turns. Prints a
line for each, in milliseconds, with the load of the machine. Chromium runs without a window and
draws by software, on the processor that also serves the model.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS = 4.0
_COMMAND = "import sys; sys.argv[0] = 'aae-tf'; from aae_tf.cli import main; main()"
# Pointer events at each frame, as a hand that moves gives them; a circle of 60% of the view.
_DRAG = """
const done = arguments[arguments.length - 1];
const { session, map } = explorer;
const surface = document.getElementById("map");
const box = surface.getBoundingClientRect();
const event = (type, x, y) => surface.dispatchEvent(new PointerEvent(type, {
  clientX: x, clientY: y, pointerId: 1, button: 0, bubbles: true }));
surface.setPointerCapture = () => {};
const start = performance.now();
session.latencies.length = 0;
const place = t => [box.left + box.width * (0.5 + 0.3 * Math.cos(t / 400)),
                    box.top + box.height * (0.5 + 0.3 * Math.sin(t / 400))];
event("pointerdown", ...place(0));
const step = now => {
  const t = now - start;
  event("pointermove", ...place(t));
  if (t < arguments[0] * 1000) return requestAnimationFrame(step);
  event("pointerup", ...place(t));
  setTimeout(() => done([...session.latencies]), 300);
};
requestAnimationFrame(step);
"""
_FRAMES = """
const done = arguments[arguments.length - 1];
const { map } = explorer;
const start = performance.now();
let count = 0;
const times = [];
const step = now => {
  const t = now - start;
  const angle = t / 500;
  map.setFrame([0.3 * Math.cos(angle), 0.3 * Math.sin(angle)], 3 + Math.sin(angle));
  count++;
  times.push(map.drawTime);
  if (t < arguments[0] * 1000) requestAnimationFrame(step);
  else { map.fit(); done([count / (t / 1000), times]); }
};
requestAnimationFrame(step);
"""


def open_browser() -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        "--window-size=1300,900",
    ):
        options.add_argument(argument)
    path = shutil.which("chromedriver")
    if path is None:
        sys.exit("Expected chromedriver on the PATH: apt-get install chromium chromium-driver.")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(path))
    driver.set_script_timeout(60)
    return driver


def wait(driver: Any, condition: str) -> None:
    deadline = time.monotonic() + 60
    while not driver.execute_script(f"return Boolean({condition})"):
        if time.monotonic() > deadline:
            sys.exit(f"Waited a minute for: {condition}")
        time.sleep(0.01)


def time_command(driver: Any, run: Path) -> tuple[float, float]:
    """Seconds from the command to its address, and to a picture that has moved."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "explore", str(run), "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"http://\S+/", process.stdout.readline())[0]
        served = time.monotonic() - started
        driver.get(url)
        wait(driver, "window.explorer && explorer.session.output")
        driver.execute_script("explorer.session.latencies.length = 0;")
        driver.execute_script("explorer.session.setCode(explorer.session.code.map(x => x + 0.1));")
        wait(driver, "explorer.session.latencies.length")
        return served, time.monotonic() - started
    finally:
        process.terminate()
        process.wait(30)


def build(shape: tuple[int, ...], units: tuple[int, ...]) -> Any:
    from aae_tf import AAE, networks, priors

    return AAE(
        networks.mlp_encoder(shape, units=units, seed=1),
        networks.mlp_decoder(shape, 2, units=units, seed=2),
        prior=priors.ring_mixture(10),
        divergence="mmd",
        seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    driver = open_browser()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if arguments.run is not None:
        times = [time_command(driver, arguments.run) for _ in range(arguments.rounds)]
        served, moved = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"command to address {served:.1f} s, to a moving picture {moved:.1f} s")

    from aae_tf.explorer.explorer import Explorer, export_for_page
    from aae_tf.explorer.points import Inputs

    rows = 10_000
    explorers: dict[str, Explorer] = {}
    for name, shape, units in (
        ("digits 8x8", (8, 8, 1), (256, 256)),
        ("MNIST 28x28", (28, 28, 1), (1000, 1000)),
    ):
        images = np.random.default_rng(0).random((rows, *shape), dtype="float32")
        inputs = Inputs("noise", {"inputs": images}, np.arange(rows) % 10)
        root = export_for_page(build(shape, units), Path(tempfile.mkdtemp()))
        explorers[name] = Explorer(root, name, lambda inputs=inputs: inputs)
        explorers[name].start()
    measured: dict[str, dict[str, list[float]]] = {
        name: {key: [] for key in ("latency", "rate", "paint", "frames", "draw")}
        for name in explorers
    }
    for explorer in explorers.values():  # Encodes the points once: that is the model's time.
        explorer.points()
    for _ in range(arguments.rounds):
        for name, explorer in explorers.items():
            driver.get("about:blank")
            driver.get(explorer.url)
            wait(driver, "window.explorer && explorer.painted && explorer.session.contours")
            found = measured[name]
            found["paint"].append(driver.execute_script("return explorer.painted"))
            latencies = driver.execute_async_script(_DRAG, _SECONDS)
            found["latency"] += latencies
            found["rate"].append(len(latencies) / _SECONDS)
            frames, draws = driver.execute_async_script(_FRAMES, _SECONDS)
            found["frames"].append(frames)
            found["draw"] += draws
    for name, found in measured.items():
        low, high = np.percentile(found["latency"], [50, 95])
        print(
            f"{name}: drag to picture {low:.0f} ms, p95 {high:.0f} ms, "
            f"{statistics.median(found['rate']):.0f} pictures a second; "
            f"{rows:,} points: first paint {statistics.median(found['paint']):.0f} ms after the "
            f"address, pan and zoom {statistics.median(found['frames']):.0f} frames a second, "
            f"{statistics.median(found['draw']):.1f} ms for the points of one"
        )
    for explorer in explorers.values():
        explorer.stop()
    driver.quit()


if __name__ == "__main__":
    main()
