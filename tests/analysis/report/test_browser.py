"""The page in a real browser: nothing overflows at any width, the console is silent."""

from __future__ import annotations

import html
import json
import re

import pytest

from analysis.report.comparison_page import write_comparison
from analysis.report.write import write_report
from tests.support.browser import browse, console, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]

WIDTHS = (400, 800, 1400)

# Folded parts are opened: what is folded must fit too.
PROBE = """<!doctype html><title>probe</title><pre id="out"></pre>
%s
<script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, view = frame.contentWindow;
    page.querySelectorAll("details").forEach(details => { details.open = true; });
    const wide = [...page.querySelectorAll("body *")].filter(element => {
      if (element.closest(".scroll, pre, svg, .skip")) return false;
      return element.getBoundingClientRect().right > view.innerWidth + 1;
    });
    return {
      width: view.innerWidth,
      content: page.documentElement.scrollWidth,
      wide: wide.map(element => element.tagName + "." + element.className),
      named: page.querySelectorAll("figure").length,
      figures: [...page.querySelectorAll("figure svg")]
        .filter(svg => svg.getBoundingClientRect().width > 0)
        .map(svg => [svg.getBoundingClientRect().width, svg.getAttribute("aria-label")]),
      page: getComputedStyle(page.body).backgroundColor,
    };
  });
  document.getElementById("out").textContent = JSON.stringify(found);
});
</script>"""


def _browse(page, folder, widths, *flags):
    """Open a page in frames of the given widths; return what the probe saw and the console."""
    frames = "".join(
        f'<iframe src="{page.as_uri()}" style="border:0;width:{width}px;height:900px"></iframe>'
        for width in widths
    )
    probe = folder / "probe.html"
    probe.write_text(PROBE % frames)
    done = browse(
        probe.as_uri(), folder, "--allow-file-access-from-files", *flags, budget_ms=20_000
    )
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    seen = json.loads(html.unescape(found[1]))
    return seen, console(done)


def test_the_page_fits_every_width_and_the_console_is_silent(tables_of, run_of, tmp_path):
    arms = ("control", "mean", "<b>bold</b>", "a-name-without-any-blank-" * 5)
    tables = tables_of(arms=arms, failed_members=[(0, "mean", 1, 2)])
    page = write_report(run_of(tables, environment={"command": "x" * 300}))
    seen, console = _browse(page, tmp_path, WIDTHS)
    assert console == []
    _fits(seen)
    for frame in seen:
        assert len(frame["figures"]) == frame["named"] == 8
        assert all(width > 300 and label for width, label in frame["figures"])


def test_the_comparison_fits_every_width_and_the_console_is_silent(tables_of, run_of, tmp_path):
    long = "a-name-without-any-blank-" * 5
    runs = [
        run_of(tables_of(arms=("control", arm), trials=3), name, experiment=f"{long} = {seed}")
        for seed, (arm, name) in enumerate([("<b>bold</b>", "one"), (long, long)])
    ]
    page = write_comparison(runs, tmp_path / "out")
    seen, console = _browse(page, tmp_path, WIDTHS)
    assert console == []
    _fits(seen)


def _fits(seen):
    assert [frame["width"] for frame in seen] == list(WIDTHS)
    for frame in seen:
        assert frame["content"] <= frame["width"], frame
        assert frame["wide"] == [], frame


def test_the_page_follows_the_dark_theme(tables_of, run_of, tmp_path):
    page = write_report(run_of(tables_of(arms=("control", "mean"))))
    (light,), _ = _browse(page, tmp_path, (800,), "--blink-settings=preferredColorScheme=1")
    (dark,), _ = _browse(page, tmp_path, (800,), "--blink-settings=preferredColorScheme=0")
    assert light["page"] == "rgb(246, 247, 249)"
    assert dark["page"] == "rgb(14, 17, 22)"
