"""A look at a run as a page that renews itself, served to this machine alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import pandas as pd
from markupsafe import Markup

from analysis.numerals import NOTHING
from analysis.report.rendering import element, render
from analysis.report.so_far import losses_picture
from apps.errors import UserError
from workflow.driver.progress import clock_time, four_digits
from workflow.watching.look import Look
from workflow.watching.tables import best_rows, worker_rows

HOST: Final = "127.0.0.1"

_NAMES: Final = ("127.0.0.1", "localhost")
"""What a browser may call this machine: another name is that of a page elsewhere."""

_REDRAWN_S: Final = 5.0
"""Seconds between two drawings of the curves, which take the most of a look."""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

_LAST_S: Final = 10.0
"""Seconds that browsers have at the end of a run to ask for the last look."""


class Pages:
    """The latest look as HTML: the whole page, or the part of it that is renewed."""

    def __init__(self, every_s: float) -> None:
        """Have nothing to show yet."""
        self.every_s = every_s
        self.look: Look | None = None
        self.asked = False
        self.last_was_seen = threading.Event()
        self._lock = threading.Lock()
        self._drawn: tuple[pd.DataFrame, dict[str, object]] | None = None
        self._drawn_at = -math.inf

    def whole(self, look: Look) -> str:
        """Return the page."""
        return render(
            "watch.html.j2",
            name=look.name,
            labels=look.labels.said,
            every_s=self.every_s,
            look=Markup(self.part(look)),  # of a template of ours, which has escaped it
        )

    def part(self, look: Look) -> str:
        """Return what of the page changes."""
        tally = look.standing.tally
        seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(look.seen_unix_s))
        return render(
            "look.html.j2",
            stands=look.standing.told,
            seen=f"Seen at {seen}.",
            total=tally.epochs - tally.epochs_lost,
            done=tally.epochs_done,
            facts=list(_facts(look)),
            picture=self._picture(look),
            tables=list(_tables(look)),
            notes=look.notes,
        )

    def _picture(self, look: Look) -> dict[str, object] | None:
        with self._lock:  # of requests that come at once, one draws
            now = time.monotonic()
            waits = now - self._drawn_at < _REDRAWN_S and not look.standing.is_over
            if look.lines.empty:
                return None
            if self._drawn is None or (self._drawn[0] is not look.lines and not waits):
                self._drawn = look.lines, element(losses_picture(look.lines, [*look.arms]))
                self._drawn_at = now
            return self._drawn[1]


@contextmanager
def served(port: int, every_s: float) -> Iterator[tuple[str, Callable[[Look], None]]]:
    """Serve a page to this machine, as long as the block lasts.

    Args:
        port: of the page; 0 for any that is free.
        every_s: seconds between two looks.

    Yields:
        The page's address, and what a look is handed to.

    Raises:
        UserError: the port cannot be had.
    """
    pages = Pages(every_s)
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(pages))
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--html {port}: the port cannot be had: {getattr(error, 'strerror', error)}; give "
            "another one, or 0 for any that is free",
            code="command-option",
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()

    def show(look: Look) -> None:
        pages.look = look

    try:
        yield f"http://{HOST}:{server.server_address[1]}/", show
        if pages.asked and pages.look is not None and pages.look.standing.is_over:
            pages.last_was_seen.wait(_LAST_S)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers with one of two texts; no file is ever read by what is asked for."""

        server_version = "heterosis"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            made = {"/": pages.whole, "/look": pages.part}.get(urlsplit(self.path).path)
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
            look = pages.look
            if host not in _NAMES:
                self._answer(403, "this page is for this machine alone")
            elif made is None:
                self._answer(404, "there is no such page")
            elif look is None:
                self._answer(503, "nothing was seen yet")
            else:
                pages.asked = True
                over = look.standing.is_over
                self._answer(200, made(look), over)
                if over:
                    pages.last_was_seen.set()

        def _answer(self, code: int, text: str, over: bool = False) -> None:
            content = text.encode()
            self.send_response(code)
            kind = "text/html" if code == 200 else "text/plain"
            headers = _HEADERS | {"Content-Type": f"{kind}; charset=utf-8"}
            headers |= {"Content-Length": str(len(content))} | ({"X-Over": "yes"} if over else {})
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the terminal has the picture."""

    return Handler


def _facts(look: Look) -> Iterator[tuple[str, str]]:
    tally = look.standing.tally
    if not tally.total:
        return
    yield f"{tally.trials_done}/{tally.trials}", "trials"
    yield f"{tally.done}/{tally.total}", "tasks"
    yield f"{tally.epochs_done}/{tally.epochs}", "network-epochs"
    yield f"{tally.epochs_a_second:.2f}", "network-epochs a second"
    if not look.standing.is_over:
        left = clock_time(tally.left_s) if math.isfinite(tally.left_s) else NOTHING
        yield left, "left"
    if math.isfinite(tally.best):
        yield four_digits(tally.best), f"best {tally.fitness}"
    yield str(len(tally.failures)), "failed or diverged"


def _tables(look: Look) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]], str]]:
    tally = look.standing.tally
    arms: list[tuple[str, ...]] = [
        (
            arm,
            f"{look.arms.get(arm, 0)}/{tally.trials}",
            f"{tally.segments_done[arm]}/{total}",
            str(tally.segments_failed[arm]),
        )
        for arm, total in tally.segments.items()
    ]
    if arms:
        yield "Arms", ("Arm", "Whole trials", "Segments", "Failed"), arms, ""
    if look.best:
        columns = ("Member", "Of", "Epoch", tally.fitness or "fitness")
        yield "Best members so far", columns, best_rows(look), ""
    if look.workers:
        rows, title, more = worker_rows(look)
        yield title, ("Worker", "Host", "Does", "For", "Seen"), rows, more
