"""What the tests in a browser share: Chromium without a window, and pages of small models."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from aae_tf.explorer.explorer import Explorer, export_for_page
from aae_tf.explorer.points import Inputs

_MISSING = (
    "Expected Chromium and its driver, for the tests in a browser. Received: none of {names} on "
    "the PATH. Debian and Ubuntu: apt-get install chromium chromium-driver."
)
# Seconds to wait for a page; the processor may be shared.
PATIENCE = 30.0


def find_program(*names: str) -> str:
    """Finds a program on the PATH; fails the test with what to install where there is none."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.fail(_MISSING.format(names=", ".join(names)), pytrace=False)


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """A browser; its console is read by `page`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = find_program("chromium", "chromium-browser", "google-chrome")
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--window-size=1300,1000", "--hide-scrollbars"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(find_program("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_script_timeout(PATIENCE)
    yield browser
    browser.quit()


class Page:
    """A page in the browser, and what tests ask it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, fragment: str = "") -> None:
        """Opens the page and waits for its points."""
        # Another address in between: a fragment alone would not load the page anew.
        self.driver.get("about:blank")
        self.driver.get(url + fragment)
        self.wait("window.explorer && (explorer.session.points || explorer.session.status)")

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script, whose promises are awaited; `args` are the arguments."""
        body = (
            "const done = arguments[arguments.length - 1]; const args = [...arguments];"
            f"(async () => {{ {script} }})().then(v => done({{v}}), e => done({{e: String(e)}}));"
        )
        answer = self.driver.execute_async_script(body, *arguments)
        assert "e" not in answer, answer["e"]
        return answer["v"]

    def wait(self, condition: str) -> None:
        """Waits until a JavaScript expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, PATIENCE, 0.05).until(
            lambda driver: driver.execute_script(f"return Boolean({condition})"), condition
        )

    def decode(self, code: Any, label: int | None = None) -> np.ndarray:
        """Moves the ring and gives the pixels of the picture, uint8 [height, width]."""
        pixels = self.run(
            """
            const { session } = explorer;
            if (args[1] !== null) session.setLabel(args[1]);
            await new Promise(done => {
              const listener = () => {
                if (session.decoder.waiting) return;
                session.removeEventListener("output", listener);
                setTimeout(done);
              };
              session.addEventListener("output", listener);
              session.setCode(Float32Array.from(args[0]));
            });
            const canvas = document.querySelector("#decoded");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return { size: [height, width], data: [...data].filter((_, i) => i % 4 === 0) };
            """,
            [float(value) for value in code],
            label,
        )
        return np.array(pixels["data"], np.uint8).reshape(pixels["size"])

    def errors(self) -> list[str]:
        """Gives what the console reported since the last question."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    """The page of a test, whose console must have no error at its end."""
    # The page of the test before may still ask its server, which is gone.
    driver.get("about:blank")
    driver.get_log("browser")
    found = Page(driver)
    yield found
    assert found.errors() == []


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., str]]:
    """Serves a model's page until the end of the file, and gives its address.

    A model is exported once in a file, and served once with each name.
    """
    addresses: dict[tuple, str] = {}
    with contextlib.ExitStack() as stack:

        def start(model: Any, inputs: Inputs | None = None, name: str = "model") -> str:
            key = (id(model), name)
            if key not in addresses:
                addresses[key] = serve_new(model, inputs, name)
            return addresses[key]

        def serve_new(model: Any, inputs: Inputs | None, name: str) -> str:
            root = export_for_page(model, tmp_path_factory.mktemp("root"))
            load = None if inputs is None else lambda: inputs
            return stack.enter_context(Explorer(root, name, load)).url

        yield start
