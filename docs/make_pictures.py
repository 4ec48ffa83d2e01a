"""Takes the screenshots of docs/explore.md, in Chromium without a window.

    make pictures

The first two are of the quickstart's run, which `make quickstart` makes; for the third a model of
styles and classes is trained on the digits for about a minute. Needs Chromium and its driver:
apt-get install chromium chromium-driver.
"""

import argparse
import functools
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
from PIL import Image

from aae_tf import SemiSupervisedAAE, data, networks, priors
from aae_tf.explorer.explorer import Explorer, export_for_page
from aae_tf.explorer.points import test_inputs
from aae_tf.runs.errors import UserError
from aae_tf.runs.run_directory import open_run

IMAGES = Path(__file__).parent / "images"


def open_browser(width: int, height: int, dark: bool) -> Any:
    """Opens a browser whose page has a size in pixels."""
    from selenium import webdriver

    path = shutil.which("chromedriver")
    if path is None:
        sys.exit("Expected chromedriver on the PATH: apt-get install chromium chromium-driver.")
    options = webdriver.ChromeOptions()
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(path))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver


def take(
    url: str, name: str, script: str, size: tuple[int, int] = (1040, 730), dark: bool = False
) -> None:
    """Takes a screenshot after a script that moves the page."""
    driver = open_browser(*size, dark)
    driver.get(url)
    ready = "return window.explorer && explorer.session.contours && explorer.session.output"
    while not driver.execute_script(ready):
        time.sleep(0.1)
    driver.execute_script(script)
    time.sleep(3)
    screenshot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    driver.quit()
    screenshot.save(IMAGES / f"{name}.png", optimize=True)


def train_styles(digits: data.Dataset) -> SemiSupervisedAAE:
    """Trains styles of four dimensions beside ten classes, with all labels."""
    model = SemiSupervisedAAE(
        networks.mlp_encoder((8, 8, 1), units=(256, 256)),
        networks.mlp_decoder((8, 8, 1), code_dim=4 + 10, units=(256, 256)),
        style_prior=priors.gaussian(4),
        num_classes=10,
        style_divergence="mmd",
        class_divergence="mmd",
        seed=0,
    )
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(1e-3), discriminator_optimizer=keras.optimizers.Adam(1e-3))
    model.fit(digits.x_train, digits.y_train, epochs=60, batch_size=50, verbose=0)
    return model


def main() -> None:
    """Takes all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", default="runs/quickstart", type=Path)
    try:
        run = open_run(parser.parse_args().run)
    except UserError as error:
        sys.exit(f"{error} Make it by: make quickstart")
    digits = data.load("digits")
    inputs = functools.partial(test_inputs, digits, "test data of digits")
    with tempfile.TemporaryDirectory() as folder:
        root = export_for_page(run.load_model(), Path(folder, "quickstart"))
        with Explorer(root, "quickstart", inputs) as explorer:
            two_points = "explorer.session.choose(3); explorer.session.choose(40);"
            take(explorer.url, "explore", f"{two_points} explorer.session.setPath('dense');")
            take(explorer.url, "explore_phone", "", (390, 844), dark=True)
        root = export_for_page(train_styles(digits), Path(folder, "styles"))
        with Explorer(root, "styles and classes", inputs) as explorer:
            script = "explorer.session.setPlane('principal', [0, 1]); explorer.session.setLabel(5);"
            take(explorer.url, "explore_styles", script, dark=True)


if __name__ == "__main__":
    main()
