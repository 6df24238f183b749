"""A look at a run as a picture in a terminal, once or renewed until the run ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from apps.records.run_dir import RunDir
from workflow.driver.displays import draw
from workflow.driver.progress import summary
from workflow.runs.so_far import told_arms
from workflow.watching.look import Look, Lookout
from workflow.watching.tables import WORKERS_TOLD, best_rows, worker_rows
from workflow.watching.text_plot import MARKS, marks, plot

_COLOURS: Final = ("bold", "red", "green", "magenta", "yellow", "cyan", "blue")
_PLOT_WIDTH: Final = 76
_PLOT_HEIGHT: Final = 10
_LEAST_HEIGHT: Final = 4
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_PLAIN_EVERY_S: Final = 10.0

CURVE: Final = {"val_loss": "held-out loss", "loss": "running training loss"}
"""The curve that is drawn: the first that has a value."""


def show_once(run: RunDir, console: Console) -> None:
    """Print how a run stands.

    Raises:
        UserError: its experiment cannot be read.
    """
    _print(Lookout(run).look(), console)


def watch(
    run: RunDir,
    console: Console,
    every_s: float,
    show: Callable[[Look], None] = lambda look: None,
) -> bool:
    """Show how a run stands until it ends: in place in a terminal, else a line now and then.

    Args:
        run: the run directory.
        console: to print on.
        every_s: seconds between two looks.
        show: is handed every look, too.

    Returns:
        Whether it finished.

    Raises:
        UserError: its experiment cannot be read.
    """
    lookout = Lookout(run)

    def look_again() -> Look:
        look = lookout.look()
        show(look)
        return look

    look = look_again()
    if not look.standing.is_over:
        look = _follow(look_again, look, console, every_s)
    _print(look, console)
    return look.standing.state == "finished"


def _follow(look_again: Callable[[], Look], look: Look, console: Console, every_s: float) -> Look:
    """Renew the picture until the run ends; return the last look."""
    if not console.is_terminal:
        _print(look, console)
        told = time.monotonic()
        while not look.standing.is_over:
            time.sleep(every_s)
            look = look_again()
            if time.monotonic() - told >= _PLAIN_EVERY_S:
                told = time.monotonic()
                console.print(summary(look.standing.tally), highlight=False, soft_wrap=True)
        return look
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not look.standing.is_over:
            shown = pieces(look, _plot_height(look, console.height))
            live.update(Group(*map(_as_text, shown)), refresh=True)
            time.sleep(every_s)
            look = look_again()
    return look


def _print(look: Look, console: Console) -> None:
    for piece in pieces(look):
        console.print(piece, markup=False, highlight=False, soft_wrap=isinstance(piece, str))


def _as_text(piece: RenderableType) -> RenderableType:
    return Text(piece) if isinstance(piece, str) else piece


def _plot_height(look: Look, height: int) -> int:
    """Return how many lines the curves may have, so that what is below them is seen too."""
    others = len(look.arms) + len(look.best) + min(len(look.workers), WORKERS_TOLD) + 14
    return max(_LEAST_HEIGHT, min(_PLOT_HEIGHT, height - others))


def pieces(look: Look, plot_height: int = _PLOT_HEIGHT) -> Iterator[RenderableType]:
    """Yield a look part by part; plain lines are strings."""
    tally = look.standing.tally
    if look.labels.said:
        yield f"{look.name}: {look.labels.said}"
    if tally.total:
        yield draw(tally)
        last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(look.last_event_unix_s))
        yield f"{look.standing.told}; last event {last}"
        whole = told_arms(look.arms, look.arms_failed)
        yield f"tasks {tally.done}/{tally.total}; whole trials by arm: {whole}"
    else:
        yield look.standing.told
    yield from _curves(look, plot_height)
    yield from _best(look)
    yield from _workers(look)
    yield from look.notes


def curve_kind(look: Look) -> str:
    """Return which of `CURVE` has a value; "" where none has."""
    if look.lines.empty:
        return ""
    there = look.lines.loc[look.lines["value"].notna(), "kind"].unique()
    return next((kind for kind in CURVE if kind in there), "")


def _curves(look: Look, height: int) -> Iterator[RenderableType]:
    kind = curve_kind(look)
    if not kind:
        return
    own = look.lines.loc[look.lines["kind"].eq(kind)]
    means = own.groupby(["arm", "epoch"], sort=False)["value"].mean().reset_index()
    points = {
        arm: list(means.loc[means["arm"].eq(arm), ["epoch", "value"]].itertuples(index=False))
        for arm in look.arms
    }
    # The control is drawn last, so that what arms share with it is its.
    drawn = plot(dict(reversed(points.items())), _PLOT_WIDTH, height)
    mark = marks([*reversed(points)])
    colour = {mark[arm]: _colour(place) for place, arm in enumerate(points)}
    yield ""
    yield f"{CURVE[kind]} of the best member by epoch, mean over the trials that are there:"
    for line in drawn:
        yield _coloured(line, colour)
    names = {arm: f"{mark[arm]}{_NO_BREAK}{arm}" for arm in points}
    legend = Text("   ".join(names.values()))
    for place, name in enumerate(names.values()):
        legend.highlight_words([name], _colour(place))
    yield legend


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _coloured(line: str, colours: dict[str, str]) -> Text:
    label, bar, drawn = line.partition("|")
    text = Text(label + bar)
    for character in drawn:
        text.append(character, colours.get(character) if character in MARKS else None)
    return text


def _best(look: Look) -> Iterator[RenderableType]:
    if look.best:
        yield ""
        fitness = look.standing.tally.fitness or "fitness"
        yield _table(("best members", "of", "epoch", fitness), best_rows(look), (0, 3))


def _workers(look: Look) -> Iterator[RenderableType]:
    if look.workers:
        rows, title, more = worker_rows(look)
        yield ""
        yield title
        yield _table(("worker", "host", "does", "for", "seen"), rows, (2, 4))
        if more:
            yield more


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[int]) -> Table:
    """Return a table; the columns numbered in `whole` are not broken."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=place in whole)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
