"""A real Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

LIMIT_S = 300
PATHS = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.problems: list[str] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=LIMIT_S))
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    def _note(self, message: dict[str, Any]) -> None:
        """Keeps what the page's console complains about; refused requests are not its mistake."""
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"].get("exception", {}).get("description")))
        if message.get("method") == "Log.entryAdded" and parameters["entry"]["source"] != "network":
            self.problems.append(str(parameters["entry"]["text"]))

    def evaluate(self, script: str) -> Any:
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)

    def wait(self, script: str, limit_s: float = LIMIT_S) -> Any:
        """What a script gives once it is true; an element, which cannot leave its page, is given as True."""
        end = time.monotonic() + limit_s
        while True:
            try:
                found = self.evaluate(f"((found) => found instanceof Node || found)({script})")
            except AssertionError:
                found = None  # the page is just being replaced
            if found:
                return found
            assert time.monotonic() < end, (
                f"never: {script}; the page says: {self.text()[:800]}; {self.problems}"
            )
            time.sleep(0.05)

    def text(self) -> str:
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            codes = {"Tab": 9, "Enter": 13}
            extra = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
            if key == "Enter" and kind == "keyDown":
                text = {"text": "\r"}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, **text, **extra)

    def look(self, *, width: int, height: int, dark: bool) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        data = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser with one empty tab; skips where there is none."""
    program = next((found for name in PATHS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("Chromium is not installed (package chromium)")
    log = folder / "chromium.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        port = _port(folder / "profile" / "DevToolsActivePort", process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            target = next(each for each in json.load(answer) if each["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=64 << 20, open_timeout=60) as socket:
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log"):
                page.send(f"{domain}.enable")
            yield page
    finally:
        process.terminate()
        process.wait(timeout=60)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        assert process.poll() is None, "Chromium ended"
        if file.exists() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    pytest.fail("Chromium does not start")
