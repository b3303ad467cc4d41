"""Starts `nadmit ui` as a process, and chromium beside it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.fakes.waiting import wait_until
from tests.paths import ROOT

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
HOW_TO = "no browser: apt-get install chromium chromium-driver"

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--hide-scrollbars",
)


class Ui(NamedTuple):
    """A running `nadmit ui`. `errors`: the file with its standard error."""

    process: subprocess.Popen[str]
    url: str
    errors: Path

    def interrupt(self) -> int:
        """Send what Ctrl-C sends, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@contextmanager
def ui(directory: Path, *words: str) -> Iterator[Ui]:
    """Run the command until the block ends."""
    errors = directory / "errors"
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "webhook", "ui", "--no-browser", *words],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=ROOT,
        )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " at http://127.0.0.1:" in line, errors.read_text()
        try:
            yield Ui(process, line.split()[-1], errors)
        finally:
            if process.poll() is None:
                process.kill()


class Page:
    """What a user does and sees, through the driver."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open the page, and wait until it is ready."""
        self.visit(url)
        self.wait(lambda: self.run("return document.documentElement.dataset.ready") == "true")

    def visit(self, url: str) -> None:
        """Open an address of anything."""
        self.driver.get("about:blank")
        self.log("browser")  # complaints of an earlier page are not those of this one
        self.driver.get(url)

    def go(self, path: str, heading: str) -> None:
        """Open a view by its address, and wait for its heading."""
        self.run("location.hash = arguments[0]", path)
        self.wait_for_heading(heading)

    def wait_for_heading(self, heading: str) -> None:
        self.wait(lambda: self.run("return document.querySelector('h1')?.textContent") == heading)

    def wait(self, condition: Any) -> None:
        wait_until(condition, lambda: f"{self.text}\n{self.log('browser')}", within_s=30)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    @property
    def text(self) -> str:
        """What a reader sees."""
        return str(self.run("return document.body.innerText"))

    @property
    def announced(self) -> str:
        """What the live region says."""
        return str(self.run("return document.getElementById('announcer').textContent"))

    @property
    def focused(self) -> str:
        """The element with the focus: its id, or its text."""
        return str(
            self.run("const one = document.activeElement; return one.id || one.innerText || one.ariaLabel || ''")
        )

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def errors(self) -> list[str]:
        """What the browser complains about, such as the content policy."""
        return [str(entry["message"]) for entry in self.log("browser")]

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Take what the browser has logged since the last call."""
        read: Any = self.driver.get_log
        return list(read(kind))

    def requested(self) -> list[str]:
        """The addresses that this browser has asked for since the last call."""
        found = []
        for entry in self.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
                found.append(message["params"].get("request", message["params"])["url"])
        return found


@contextmanager
def browser(profile: Path, *flags: str, size: tuple[int, int] = (1360, 900)) -> Iterator[Page]:
    """Run chromium with a new profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Page(driver)
    finally:
        driver.quit()
