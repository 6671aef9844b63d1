"""Headless Chromium over its DevTools protocol: what a page logs, asks for and shows."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # No name resolves: a page that needs the internet shows it as a failed request.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
_SECONDS = 60.0


def find_chromium() -> str | None:
    """The browser's program, or None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Visit:
    """What one page did: its requests, its errors, and what the scripts asked of it returned."""

    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    def take(self, method: str, params: Mapping[str, Any]) -> None:
        """Keep what an event of the browser says."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.failures.append(params.get("errorText", "failed"))
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


class _Session:
    """One tab: commands out, events in."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection, self.last, self.visit = connection, 0, Visit()
        self.session: str | None = None
        self.loaded = False

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command; events that come before it are kept."""
        self.last += 1
        mine = self.last
        message: dict[str, Any] = {"id": mine, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        await self.connection.write_message(json.dumps(message))
        while True:
            answer = await self.receive()
            if answer.get("id") == mine:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    async def receive(self) -> dict[str, Any]:
        raw = await asyncio.wait_for(self.connection.read_message(), _SECONDS)
        if raw is None:
            raise RuntimeError("Chromium closed the connection")
        message = json.loads(raw)
        if "method" in message:
            self.visit.take(message["method"], message["params"])
            self.loaded = self.loaded or message["method"] == "Page.loadEventFired"
        return message

    async def open(self, url: str, scripts: Mapping[str, str], size: tuple[int, int]) -> Visit:
        """Load a page and evaluate scripts in it; a script may return a promise."""
        self.visit, self.loaded = Visit(), False
        width, height = size
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.send("Page.navigate", url=url)
        while not self.loaded:
            await self.receive()
        for name, script in scripts.items():
            answer = await self.send(
                "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
            )
            if "exceptionDetails" in answer:
                raise RuntimeError(f"the script {name!r} failed: {answer['exceptionDetails']}")
            self.visit.found[name] = answer["result"].get("value")
        return self.visit


def visit_pages(
    program: str,
    profile: Path,
    pages: Iterable[Path],
    scripts: Mapping[str, str],
    *,
    size: tuple[int, int] = (1200, 900),
) -> dict[Path, Visit]:
    """Open pages one after another in one browser without internet.

    Parameters
    ----------
    program : str
        The browser.
    profile : Path
        A new empty folder for the browser's own files.
    pages : iterable of Path
        HTML files.
    scripts : mapping of str to str
        JavaScript expressions by name, evaluated when the page has loaded; a promise is awaited.
    size : (int, int)
        Width and height of the window in CSS pixels; under 600 wide it is a phone's.
    """
    profile.mkdir(parents=True)
    process = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = _address(profile, process)
        return asyncio.run(_visit(address, list(pages), scripts, size))
    finally:
        process.kill()
        process.wait()


def _address(profile: Path, process: subprocess.Popen) -> str:
    """Where the browser listens; it writes this beside its profile when it is ready."""
    file = profile / "DevToolsActivePort"
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"Chromium ended with code {process.returncode}")
        if file.is_file() and len(lines := file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError("Chromium did not start")


async def _visit(
    address: str, pages: list[Path], scripts: Mapping[str, str], size: tuple[int, int]
) -> dict[Path, Visit]:
    connection = await websocket_connect(address, max_message_size=1 << 28)
    tab = _Session(connection)
    target = await tab.send("Target.createTarget", url="about:blank")
    attached = await tab.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    tab.session = attached["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        await tab.send(f"{domain}.enable")
    seen = {page: await tab.open(page.resolve().as_uri(), scripts, size) for page in pages}
    connection.close()
    return seen
