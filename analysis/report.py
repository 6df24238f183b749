"""The report of a run: one page that stands alone, its figures as files, its numbers as CSV."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis import drawing, figures, page, wording
from analysis.curves import CURVE_BESIDE
from analysis.figures_lineage import lineage_figure
from analysis.lineage import lineage
from analysis.numerals import count, unbroken
from analysis.overview import Overview, overview
from analysis.statistics import KINDS, RESAMPLES, SMALLEST_BOOTSTRAP
from analysis.tables import CONTROL, ReportError, read_tables
from workflow.run_dir import RunDir

__all__ = ["ReportError", "arms_table", "write_report"]

TEMPLATES: Final = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class _Picture:
    """A figure of the page: its name, title, caption, alternative text, wide and narrow form."""

    name: str
    title: str
    caption: str
    alternative: str
    wide: Figure
    narrow: Figure

    @cached_property
    def documents(self) -> dict[str, str]:
        """The figure as SVG, by form."""
        return {"wide": drawing.svg(self.wide), "narrow": drawing.svg(self.narrow)}


def write_report(run: RunDir) -> Path:
    """Write the report of a run and return its page.

    Written are `report/index.html`, which needs no other file, no script and no network,
    `report/figures/*.svg` and `*.png` (`-narrow` for a column's width), and the numbers:
    `statistics.csv` (a row an arm and loss kind), `improvements.csv` (a row a trial), `curves.csv`,
    `parity.csv`, `costs.csv`, `champions.csv`. The same tables give the same bytes.

    Args:
        run: the run directory. Only its tables are needed; where `experiment.toml` or
            `environment.json` is missing, the page says so.

    Raises:
        ReportError: there are no tables, or the report can't be written.
    """
    tables = read_tables(run)
    numbers = overview(tables)
    pictures = _pictures(numbers, tables)
    try:
        for name, table in _numbers(numbers).items():
            _write(run.report / f"{name}.csv", table.to_csv(index=False).encode())
        for picture in pictures:
            _write_picture(run.report / "figures", picture)
        _write(run.report_html, _html(run, numbers, pictures).encode())
    except OSError as error:
        raise ReportError(
            f"{run.report}: the report must be writable, and writing it says: {error}. "
            "Make room or change the rights, and run `heterosis report` again."
        ) from error
    return run.report_html


def arms_table(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the arms of a run in a few columns of text, for a terminal.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.

    Returns:
        As `analysis.page.arms_table` says: one row an arm, the control first, all cells text.
    """
    return page.arms_table(overview(tables))


def _numbers(numbers: Overview) -> dict[str, pd.DataFrame]:
    """Return every number of the report, a table a file."""
    return {
        "statistics": numbers.summary,
        "improvements": numbers.paired,
        "curves": numbers.bands,
        "parity": numbers.parity.merge(numbers.area, on=["arm", "kind", "trial"]),
        "costs": numbers.costs,
        "champions": numbers.champions,
    }


def _pictures(numbers: Overview, tables: dict[str, pd.DataFrame]) -> list[_Picture]:
    """Draw the figures that the run has the numbers for."""
    pictures = []
    if len(numbers.bands):
        drawn = _two_forms(lambda columns: figures.loss_curves(
            numbers.bands, numbers.arms, numbers.halts, numbers.departures, columns=columns
        ))  # fmt: skip
        pictures.append(
            _Picture(
                "loss_curves",
                "Loss over the epochs",
                "The population's best member at each epoch, by that loss: mean over the trials "
                "(line) and one standard deviation either way (band). A dashed line is a halt; "
                "until an arm leaves the control's line it is the control.",
                page.curves_alternative(numbers),
                *drawn,
            )
        )
    kinds = [kind for kind in ("train_loss", wording.held_out_kind(numbers))
             if numbers.of(kind)["n"].gt(0).any()]  # fmt: skip
    if kinds:
        bar = " and the bar its 95 % interval" if numbers.summary["low"].notna().any() else ""
        drawn = _two_forms(lambda columns: figures.improvements(
            numbers.paired, numbers.summary, numbers.arms, kinds=kinds, columns=columns
        ))  # fmt: skip
        pictures.append(
            _Picture(
                "improvements",
                "Improvement on the control, trial by trial",
                "A dot is a trial, at the same height in every arm and panel; the diamond is the "
                f"mean over the trials{bar}. The champions at the end of training are compared.",
                page.improvements_alternative(numbers, kinds),
                *drawn,
            )
        )
    return pictures + _lineage_picture(numbers, tables)


def _lineage_picture(numbers: Overview, tables: dict[str, pd.DataFrame]) -> list[_Picture]:
    """Draw the lineage of the verdict's arm in the first trial that finished it."""
    arm = wording.headline_arm(numbers)
    trials = tables["trials"]
    done = trials.loc[trials["arm"].eq(arm or "") & trials["status"].eq("done"), "trial"]
    if arm is None or done.empty or not numbers.halts.get(arm):
        return []
    family = lineage(tables["members"], trials, int(done.iloc[0]), arm)
    ancestors = family.nodes.loc[family.nodes["ancestor"] & family.nodes["segment"].eq(0)]
    founders = ", ".join(str(member) for member in ancestors["member"])
    return [
        _Picture(
            "lineage",
            f"Who descends from whom: {arm}, trial {family.trial}",
            "Members by segment, the best on top, with lines from their parents; colour and shape "
            "are the species. The ring is the champion, heavy lines its ancestry.",
            f"Family tree of {arm} in trial {family.trial}. The champion descends from "
            f"{count(len(ancestors), 'member')} of the first segment: {founders}.",
            lineage_figure(family),
            lineage_figure(family, width=4.4),
        )
    ]


def _two_forms(draw: Callable[[int], Figure]) -> tuple[Figure, Figure]:
    """Draw a figure with its panels side by side and one below the other."""
    return draw(2), draw(1)


def _html(run: RunDir, numbers: Overview, pictures: list[_Picture]) -> str:
    """Fill in the page; everything from the run directory is escaped by the template."""
    shown, folded = page.shown_kinds(numbers)
    experiment, no_experiment = page.settings(run)
    environment, no_environment = page.environment(run)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html.j2").render(
        name=run.root.resolve().name,
        verdict=unbroken(wording.verdict(numbers)),
        tested=bool(numbers.summary["t_p"].notna().any()),
        cautions=[unbroken(note) for note in wording.cautions(numbers)],
        facts=page.facts(numbers),
        pictures=[_element(picture) for picture in pictures],
        shown=[(kind, page.arm_rows(numbers, kind)) for kind in shown],
        folded=[(kind, page.arm_rows(numbers, kind)) for kind in folded],
        with_parity=list(CURVE_BESIDE),
        champions=page.champion_rows(numbers),
        kinds=KINDS,
        names=wording.NAMES,
        has_accuracy=bool(numbers.champions["test_accuracy"].notna().any()),
        failures=page.failure_rows(numbers, run),
        costs=page.cost_rows(numbers),
        cost_sentence=page.cost_sentence(numbers),
        experiment=experiment,
        no_experiment=no_experiment,
        environment=environment,
        no_environment=no_environment,
        control=CONTROL,
        compared=max(len(numbers.arms) - 1, 0),
        resamples=RESAMPLES,
        smallest_bootstrap=SMALLEST_BOOTSTRAP,
    )


def _write_picture(folder: Path, picture: _Picture) -> None:
    """Write both forms of a figure as SVG and PNG."""
    for form, name in (("wide", picture.name), ("narrow", f"{picture.name}-narrow")):
        _write(folder / f"{name}.svg", picture.documents[form].encode())
        _write(folder / f"{name}.png", drawing.png(getattr(picture, form)))


def _element(picture: _Picture) -> dict[str, object]:
    """Return a figure as the template wants it."""
    elements = {
        form: Markup(  # the SVG is ours, and its texts are paths; the label is escaped by `inline`
            drawing.inline(document, f"{picture.name}-{form}", picture.alternative)
        )
        for form, document in picture.documents.items()
    }
    return {"name": picture.name, "title": picture.title, "caption": picture.caption, **elements}


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
