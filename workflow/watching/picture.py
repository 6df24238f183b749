"""A look at a run as a picture in a terminal, once or renewed until the run ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from apps.records.run_dir import RunDir
from workflow.driver.displays import draw
from workflow.driver.progress import duration, summary
from workflow.watching.look import Look, Lookout, Worker
from workflow.watching.text_plot import MARKS, marks, plot

_COLOURS: Final = ("bold", "red", "green", "magenta", "yellow", "cyan", "blue")
_WORKERS_TOLD: Final = 12
_ARMS_TOLD: Final = 3
_PLOT_WIDTH: Final = 76
_PLOT_HEIGHT: Final = 10
_PLAIN_EVERY_S: Final = 10.0

CURVE: Final = {"val_loss": "held-out loss", "loss": "running training loss"}
"""The curve that is drawn: the first that has a value."""


def show_once(run: RunDir, console: Console) -> None:
    """Print how a run stands.

    Raises:
        UserError: its experiment cannot be read.
    """
    _print(Lookout(run).look(), console)


def watch(run: RunDir, console: Console, every_s: float) -> bool:
    """Show how a run stands until it ends: in place in a terminal, else a line now and then.

    Returns:
        Whether it finished.

    Raises:
        UserError: its experiment cannot be read.
    """
    lookout = Lookout(run)
    look = lookout.look()
    if not look.standing.is_over:
        look = _follow(lookout, look, console, every_s)
    _print(look, console)
    return look.standing.state == "finished"


def _follow(lookout: Lookout, look: Look, console: Console, every_s: float) -> Look:
    """Renew the picture until the run ends; return the last look."""
    if not console.is_terminal:
        _print(look, console)
        told = time.monotonic()
        while not look.standing.is_over:
            time.sleep(every_s)
            look = lookout.look()
            if time.monotonic() - told >= _PLAIN_EVERY_S:
                told = time.monotonic()
                console.print(summary(look.standing.tally), highlight=False, soft_wrap=True)
        return look
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not look.standing.is_over:
            live.update(Group(*map(_as_text, pieces(look))), refresh=True)
            time.sleep(every_s)
            look = lookout.look()
    return look


def _print(look: Look, console: Console) -> None:
    for piece in pieces(look):
        console.print(piece, markup=False, highlight=False, soft_wrap=isinstance(piece, str))


def _as_text(piece: RenderableType) -> RenderableType:
    return Text(piece) if isinstance(piece, str) else piece


def pieces(look: Look) -> Iterator[RenderableType]:
    """Yield a look part by part; plain lines are strings."""
    tally = look.standing.tally
    if look.labels.said:
        yield f"{look.name}: {look.labels.said}"
    if tally.total:
        yield draw(tally)
        last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tally.now_unix_s))
        yield f"{look.standing.told}; last event {last}"
    else:
        yield look.standing.told
    yield from _curves(look)
    yield from _best(look)
    yield from _workers(look)
    yield from look.notes


def curve_kind(look: Look) -> str:
    """Return which of `CURVE` has a value; "" where none has."""
    if look.lines.empty:
        return ""
    there = look.lines.loc[look.lines["value"].notna(), "kind"].unique()
    return next((kind for kind in CURVE if kind in there), "")


def _curves(look: Look) -> Iterator[RenderableType]:
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
    drawn = plot(dict(reversed(points.items())), _PLOT_WIDTH, _PLOT_HEIGHT)
    mark = marks([*reversed(points)])
    colour = {mark[arm]: _colour(place) for place, arm in enumerate(points)}
    yield ""
    yield f"{CURVE[kind]} of the best member by epoch, mean over the trials that are there:"
    for line in drawn:
        yield _coloured(line, colour)
    legend = Text("   ".join(f"{mark[arm]} {arm}" for arm in points))
    for place, arm in enumerate(points):
        legend.highlight_words([f"{mark[arm]} {arm}"], _colour(place))
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
    if not look.best:
        return
    table = _table(look.standing.tally.fitness or "fitness", "epoch", "best members", "of")
    for each in look.best:
        many = f"{len(each.arms)} arms, before they part"
        arms = ", ".join(each.arms) if len(each.arms) <= _ARMS_TOLD else many
        table.add_row(f"{each.fitness:.4f}", str(each.epoch), each.folder, Text(arms))
    yield ""
    yield table


def _workers(look: Look) -> Iterator[RenderableType]:
    if not look.workers:
        return
    busy = sum(bool(each.folder) for each in look.workers)
    yield ""
    yield f"{len(look.workers)} workers: {busy} compute, {len(look.workers) - busy} wait"
    # Whom nothing was heard of for longest comes first.
    longest = sorted(look.workers, key=lambda each: -_silent_s(each))
    table = _table("host", "worker", "does", "for", "seen")
    for each in longest[:_WORKERS_TOLD]:
        table.add_row(
            each.host,
            Text(each.worker.replace("ThreadPoolExecutor-", "")),
            each.folder or "waits",
            duration(each.since_s) if each.folder else "",
            f"{duration(each.seen_s)} ago",
        )
    yield table
    if len(longest) > _WORKERS_TOLD:
        yield f"... and {len(longest) - _WORKERS_TOLD} more"


def _silent_s(worker: Worker) -> float:
    return worker.seen_s if worker.folder else -1.0


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in ("best members", "does"))
    return table
