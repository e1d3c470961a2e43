"""See every page of the built site in headless Chromium, as wide as a telephone and as wide as a screen.

python -m sitepages.browser build/site [PAGE ...] [--pictures FOLDER]

What is found: errors on the console, requests that fail or go to other hosts, pages that scroll sideways or cut something off,
and mathematics that is not set. The search is tried with two words. Without Chromium nothing is done, and the reason is said.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import functools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

WIDTHS = (420, 1200)
"""Pixels: a telephone and a screen."""
_SECONDS = 60
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
# What is wider than the window is fine inside something that scrolls by itself.
_SEEN = r"""(async () => {
  await document.fonts.ready;
  const found = [], article = document.querySelector('article') ?? document.body;
  const scroller = document.scrollingElement;
  if (scroller.scrollWidth > innerWidth) found.push(`scrolls sideways: ${scroller.scrollWidth} pixels`);
  const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const within = e => { for (; e && e !== article; e = e.parentElement) if (scrolls(e)) return true; return false; };
  const out = [...article.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !within(e));
  if (out.length) found.push(`sticks out: <${out.at(-1).localName}> ${out.at(-1).textContent.trim().slice(0, 60)}`);
  for (const e of document.querySelectorAll('merror, .merror')) found.push(`mathematics not set: ${e.textContent}`);
  for (const e of document.querySelectorAll('math')) if (e.textContent.includes('\\')) found.push(`LaTeX left: ${e.textContent}`);
  for (const e of document.querySelectorAll('img')) if (!e.naturalWidth && e.complete) found.push(`no picture: ${e.src}`);
  if (article.textContent.includes('<Figure size')) found.push('a picture is shown as text');
  const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  for (let t; (t = texts.nextNode());)
    if (!t.parentElement.closest('code, pre, script, style, math') && /\\[([]|\$\$|\\[a-zA-Z]+\{/.test(t.data))
      found.push(`LaTeX left: ${t.data.trim().slice(0, 60)}`);
  return found;
})()"""
_SEARCH = r"""(async () => {
  for (let i = 0; i < 200; i++) {
    const found = document.querySelectorAll('#search-results li a').length;
    if (found) return found;
    await new Promise(done => setTimeout(done, 50));
  }
  return 0;
})()"""


def chromium() -> str | None:
    """Return the path of Chromium or Chrome, if there is one."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Browser:
    """A headless Chromium with one tab, spoken to by the DevTools protocol over two pipes."""

    def __init__(self, program: str) -> None:
        """Start it with an empty profile."""
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        reads, self._out = os.pipe()
        self._in, writes = os.pipe()
        # Chromium reads from 3 and writes to 4, so the ends that become these must not be 3 or 4 themselves.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (reads, writes)]
        self._process = subprocess.Popen(
            [program, *_OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: [os.dup2(end, number) for end, number in zip(ends, (3, 4), strict=True)] and None,
            pass_fds=(3, 4),
        )
        for end in (reads, writes, *ends):
            os.close(end)
        self._rest = b""
        self._asked = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        tab = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{room}.enable")

    def __enter__(self) -> Self:
        """Nothing else is needed."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        os.close(self._out)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        self._profile.cleanup()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer; events that come before it are kept.

        Raises:
            RuntimeError: Chromium refuses.
            TimeoutError: it does not answer.
        """
        self._asked += 1
        sent: dict[str, Any] = {"id": self._asked, "method": method, "params": params}
        if self._session:
            sent["sessionId"] = self._session
        os.write(self._out, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") != self._asked:
                self.events.append(message)
            elif "error" in message:
                raise RuntimeError(f"{method}: {message['error']['message']}")
            else:
                return message["result"]

    def wait(self, method: str) -> None:
        """Wait for an event, keeping those that come before it."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._message())

    def value(self, script: str) -> Any:
        """Return what a script comes to, once its promise is kept.

        Raises:
            RuntimeError: the script raises.
        """
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def open(self, address: str, width: int) -> None:
        """Load a page in a window of so many pixels."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url="about:blank")
        self.value("1")
        self.events.clear()
        self.ask("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def picture(self, path: Path) -> None:
        """Write what the window shows, to the foot of the page or 6000 pixels of it."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._in], [], [], _SECONDS)[0]:
                raise TimeoutError(f"Chromium says nothing for {_SECONDS} s")
            got = os.read(self._in, 1 << 20)
            if not got:
                raise RuntimeError("Chromium has ended by itself")
            self._rest += got
        first, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(first)
        return message


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of single requests."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def faults(browser: Browser, address: str, page: str, width: int) -> list[str]:
    """Open a page and return a sentence for everything that is wrong with it."""
    browser.open(address + quote(page), width)
    found = list(browser.value(_SEEN))
    found += [said for event in browser.events if (said := _wrong(event, address))]
    return [f"{page} at {width} pixels: {one}" for one in dict.fromkeys(found)]


def _wrong(event: dict[str, Any], address: str) -> str | None:
    """Return what an event complains of."""
    about = event.get("params", {})
    match event.get("method"):
        case "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            return f"script: {details.get('exception', {}).get('description', details['text'])}"
        case "Runtime.consoleAPICalled" if about["type"] in ("error", "assert", "warning"):
            return f"console: {' '.join(str(one.get('value', one.get('description'))) for one in about['args'])}"
        case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
            return f"console: {about['entry']['text']} {about['entry'].get('url', '')}"
        case "Network.responseReceived" if about["response"]["status"] >= 400:
            return f"status {about['response']['status']}: {about['response']['url']}"
        case "Network.loadingFailed" if not about.get("canceled"):
            return f"request failed: {about['errorText']}"
        case "Network.requestWillBeSent":
            url = about["request"]["url"]
            own = url.startswith(address) or urlsplit(url).scheme in ("data", "blob", "about")
            return None if own else f"asks another host: {url}"
    return None


def searched(browser: Browser, address: str, word: str) -> int:
    """Type a word into the search of the first page and return the number of results."""
    browser.open(address, WIDTHS[-1])
    browser.events.clear()
    field = "document.querySelector('input[name=q]')"
    browser.value(f"{field}.value = {json.dumps(word)}; {field}.form.submit()")
    browser.wait("Page.loadEventFired")
    return int(browser.value(_SEARCH))


def main() -> None:
    """Print the faults and end with 1 if there are any."""
    parser = argparse.ArgumentParser(description="see every page of the built site in headless Chromium")
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*", help="such as index.html; without any, all")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of every page at every width")
    given = parser.parse_args()
    program = chromium()
    if program is None:
        print("skipped: there is no Chromium here (Debian: chromium)")
        return
    every = [path.relative_to(given.site).as_posix() for path in sorted(given.site.rglob("*.html"))]
    if "index.html" not in every:
        sys.exit(f"{given.site} is no built site: it has no index.html")
    pages = given.pages or every
    wrong: list[str] = []
    with served(given.site) as address, Browser(program) as browser:
        for page in pages:
            for width in WIDTHS:
                wrong += faults(browser, address, page, width)
                if given.pictures:
                    browser.picture(given.pictures / f"{page.removesuffix('.html').replace('/', '-')}-{width}.png")
        for word in ("baseline", "KL"):
            results = searched(browser, address, word)
            wrong += [] if results else [f"the search for {word!r} finds nothing"]
    print("\n".join([*wrong, f"{len(pages)} pages at {' and '.join(map(str, WIDTHS))} pixels, {len(wrong)} faults"]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
