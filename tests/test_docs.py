"""The documentation site is built without a warning, and no link of it is dead."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.browser import browse, needs_browser
from workflow.experiment.config import Experiment

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """The places of a page, and where it leads to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in ("id", "name"):
                self.ids.add(value)
            if name in ("href", "src") and tag != "link":
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    build = [sys.executable, "docs/build.py", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "No issues found\n"), done.stdout
    return folder


def dead(folder: Path) -> Iterator[str]:
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # it lies nowhere, and its links begin at the root
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                if parts.scheme not in ("https", "mailto", "javascript"):
                    yield f"{path.name}: {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.exists() or (
                parts.fragment and known and unquote(parts.fragment) not in known.ids
            ):
                yield f"{path.name}: {link}"


@pytest.mark.slow
def test_no_link_is_dead(site: Path) -> None:
    assert [*dead(site)] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#here">b</a><a href="c.html">c</a>')
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="http://example.org">x</a>')
    assert sorted(dead(tmp_path)) == [
        "a.html: b.html#here",
        "a.html: c.html",
        "b.html: http://example.org",
    ]


@pytest.mark.slow
def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"<(?:script|img|iframe|source)[^>]*? src=\"?(?:https?:)?//[^ >]+")
    linked = re.compile(
        r"<link[^>]*rel=\"?(?:stylesheet|icon|preconnect)[^>]*href=\"?(?:https?:)?//"
    )
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert [*fetched.findall(text), *linked.findall(text)] == [], path


ASKS = """<!doctype html><body><p id="out"></p><script src="iframe-worker.js"></script><script>
const worker = new Worker("twice.js"), asked = { number: 21 };
worker.onmessage = ({ data }) => {
  document.getElementById("out").textContent = `${data.number} of ${asked.number}`;
};
worker.postMessage(asked);
</script></body>"""


@pytest.mark.slow
@needs_browser
def test_the_search_has_its_worker_where_the_site_is_opened_as_a_file(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "iframe-worker.js", tmp_path)
    (tmp_path / "twice.js").write_text(
        "self.onmessage = ({ data }) => { data.number *= 2; postMessage(data); };"
    )
    (tmp_path / "asks.html").write_text(ASKS)
    done = browse((tmp_path / "asks.html").as_uri(), tmp_path)
    assert '<p id="out">42 of 21</p>' in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["workflow.launch", "apps.genetics.crossover", "analysis.report.write"]
)
def test_public_functions_are_in_the_reference(name: str, site: Path) -> None:
    ids = Page(site / "reference" / f"{name}.html").ids
    module = sys.modules.get(name) or __import__(name, fromlist=["_"])
    public = [
        f"{name}.{key}"
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == name and not key.startswith("_")
    ]
    assert public
    assert set(public) <= ids


@pytest.mark.slow
def test_every_key_of_the_experiment_file_is_explained(site: Path) -> None:
    page = (site / "settings.html").read_text(encoding="utf-8")
    schema = Experiment.model_json_schema()
    tables = {"Experiment": schema} | schema["$defs"]
    keys = {(table, key) for table, found in tables.items() for key in found.get("properties", {})}
    assert {("Halt", "measure"), ("Training", "epochs"), ("DataSpec", "folder")} <= keys
    missing = [f"{table}.{key}" for table, key in keys if f"<code>{key}</code>" not in page]
    assert missing == []


@pytest.mark.slow
def test_every_ready_experiment_is_shown(site: Path) -> None:
    page = Page(site / "experiments.html")
    names = {path.stem for path in (ROOT / "workflow" / "experiments").glob("*.toml")}
    assert names <= page.ids


@pytest.mark.slow
def test_the_gallery_shows_every_ready_experiment_and_all_stored_results(site: Path) -> None:
    page = Page(site / "gallery.html")
    assert {path.stem for path in (ROOT / "workflow" / "experiments").glob("*.toml")} <= page.ids
    shown = {Path(link).stem.partition("-")[0] for link in page.links if link.endswith(".svg")}
    assert shown == {path.parent.name for path in (ROOT / "analysis/results").glob("*/README.md")}


BROUGHT = (ROOT / "docs" / "what-you-bring.md").read_text(encoding="utf-8")


def written(path: Path) -> Iterator[str]:
    """Yield the texts in a source; what is put into one is left out as an ellipsis."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else "..." for each in node.values
            )


def test_the_messages_that_a_page_quotes_are_real() -> None:
    rooms = ("apps", "workflow", "site_configs", "analysis")
    sources = "\n".join(
        text for room in rooms for path in (ROOT / room).rglob("*.py") for text in written(path)
    )
    quoted = re.findall(r"\*([a-z][^*|]+)\*", BROUGHT.partition("\n## ")[2])
    assert len(quoted) > 40
    assert [each for each in quoted if each not in sources] == []
