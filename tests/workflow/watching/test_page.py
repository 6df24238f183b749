"""The page of `heterosis watch --html`: for this machine alone, and no file can be had of it."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps.errors import UserError
from apps.records.labels import Labels
from apps.records.run_dir import RunDir
from tests.support.browser import browse, console, needs_browser
from tests.support.experiments import broken_off, press
from tests.support.pages import Page
from tests.workflow.conftest import Heterosis
from workflow.runs.lock import only_driver
from workflow.watching import page
from workflow.watching.look import Look, Lookout, Worker
from workflow.watching.page import served


@pytest.fixture
def running(finished: Path, tmp_path: Path) -> Look:
    """A look at a run under way, whose texts are like tags of a page."""
    root = broken_off(finished, tmp_path, "trial-001/twice/segment-2/*")
    with only_driver(RunDir(root).lock):
        look = Lookout(RunDir(root)).look()
    worker = Worker("<host>", "1/<b>", "trial-001/twice", 3.0, 2.0)
    return replace(
        look,
        labels=Labels("<script>note</script>", ("a&b",)),
        workers=(worker,),
        notes=("<i>failed</i>",),
    )


def get(address: str, path: str, **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_the_page_has_what_the_terminal_has_and_nothing_is_taken_for_markup(running: Look) -> None:
    with served(0, 2.0) as (address, show):
        show(running)
        code, text, _ = get(address, "/")
        part = get(address, "/look")[1]
    assert code == 200
    shown = Page(re.sub(r"<script>.*?</script>|<progress.*?</progress>", "", text, flags=re.S))
    for told in (
        *("running (host", "<script>note</script> [a&b]", "<i>failed</i>", "<host>"),
        *("75/78 network-epochs", "1 workers: 1 compute, 0 wait", "trial-001/segment-2/member-0"),
        *(running.arms),
    ):
        assert told in shown.text, told
    assert shown.of("svg")
    assert part in text
    assert text.count("<script>") == 1
    assert "http:" not in re.sub(r"http://www\.w3\.org/\S+", "", text), "it needs no other place"


def test_only_two_addresses_are_answered(running: Look) -> None:
    with served(0, 2.0) as (address, show):
        assert get(address, "/")[0] == 503
        show(running)
        for path in (
            *("/../../../etc/passwd", "/look/../../experiment.toml", "//etc/passwd", "/%2e%2e/"),
            *("/experiment.toml", "/look/", "/index.html", "/..%2fexperiment.toml"),
        ):
            assert get(address, path)[:2] == (404, "there is no such page")
        assert get(address, "/?x=1")[0] == 200
        for host in ("example.org", "127.0.0.1.example.org", ""):
            assert get(address, "/", Host=host)[0] == 403
        assert get(address, "/look", Host="localhost:9000")[0] == 200


def test_it_listens_to_this_machine_alone_and_then_no_more(running: Look) -> None:
    with served(0, 2.0) as (address, show):
        show(running)
        host, port = urlsplit(address).hostname, urlsplit(address).port
        assert host == "127.0.0.1"
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
    with pytest.raises(ConnectionRefusedError):
        get(address, "/")


def test_a_port_that_is_taken_is_one_line(heterosis: Heterosis, finished: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = heterosis("watch", finished, "--html", port)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert f"--html {port}: the port cannot be had: Address already in use" in line
    with pytest.raises(UserError, match="cannot be had"), served(70_000, 1.0):
        pass


def test_the_last_look_is_waited_for(running: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_LAST_S", 60.0)
    over = replace(running, standing=replace(running.standing, state="finished", how="finished"))
    asked: list[tuple[int, str | None]] = []

    def ask(address: str) -> None:
        time.sleep(0.5)
        code, _, headers = get(address, "/look")
        asked.append((code, headers["X-Over"]))

    began = time.monotonic()
    with served(0, 2.0) as (address, show):
        show(running)
        assert get(address, "/look")[2]["X-Over"] is None
        show(over)
        browser = threading.Thread(target=ask, args=(address,))
        browser.start()
    browser.join()
    assert asked == [(200, "yes")]
    assert time.monotonic() - began < 30


def test_ctrl_c_ends_it(
    heterosis: Heterosis, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = broken_off(finished, tmp_path, "trial-001/twice/harvest")
    monkeypatch.setattr(time, "sleep", press)
    with only_driver(RunDir(root).lock):
        ended = heterosis("watch", root, "--html", "0")
    assert (ended.code, ended.err) == (130, "")
    address = ended.out.splitlines()[0].removeprefix("page: ")
    with pytest.raises(ConnectionRefusedError):
        get(address, "/")


def test_curves_are_not_drawn_for_every_look(
    running: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    picture = page.losses_picture
    monkeypatch.setattr(page, "losses_picture", lambda *a: drawn.append(1) or picture(*a))
    pages = page.Pages(1.0)
    for _ in range(2):
        pages.part(running)
    pages.part(replace(running, lines=running.lines.copy()))
    assert len(drawn) == 1
    monkeypatch.setattr(page, "_REDRAWN_S", 0.0)
    pages.part(replace(running, lines=running.lines.copy()))
    assert len(drawn) == 2


@pytest.mark.slow
@needs_browser
def test_a_browser_renews_the_page_and_its_console_is_silent(running: Look, tmp_path: Path) -> None:
    over = replace(running, standing=replace(running.standing, state="finished", how="all done"))
    with served(0, 0.5) as (address, show):
        show(running)
        whole = page.Pages.whole

        def once(pages: page.Pages, look: Look) -> str:
            show(over)  # what the next look is to find
            return whole(pages, look)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page.Pages, "whole", once)
            done = browse(address, tmp_path)
    assert console(done) == []
    assert '<p class="lead">all done</p>' in done.stdout
    assert 'id="lost" hidden' in done.stdout
