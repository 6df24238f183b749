"""The report of a run: one page that stands alone, its figures as files, its numbers as CSV."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.figures import chosen, drawing
from analysis.figures.chosen import Secondary
from analysis.figures.picture import Picture
from analysis.numerals import percent, unbroken
from analysis.report import page, search_page
from analysis.report.findings import EFFECT, MARGIN, full_statistics, spent_to_control
from analysis.report.rendering import element, render
from analysis.report.so_far import SoFar
from analysis.statistics import wording
from analysis.statistics.crossings import crossings
from analysis.statistics.curves import CURVE_BESIDE
from analysis.statistics.overview import Overview, overview
from analysis.statistics.paired import KINDS, RESAMPLES, SMALLEST_BOOTSTRAP
from analysis.statistics.scale import FRACTION, without_sole_unit
from analysis.statistics.search import YARDSTICK, Search, searched
from analysis.tables import CONTROL, loss_names, read_tables
from apps.errors import ReportError
from apps.files import write_atomic
from apps.records.labels import read_labels
from apps.records.run_dir import ReportDir, RunDir
from apps.records.tables_schema import STILL

CHAPTERS: Final = ("result", "search", "population", "workflow", "cost")
"""Where figures stand in the page."""


def write_report(run: RunDir, so_far: SoFar | None = None) -> Path:
    """Write the report of a run and return its page.

    Written are `report/index.html`, which needs no other file, no script and no network,
    `report/figures/*.svg` and `*.png` (`-narrow` for a column's width), and the numbers:
    `statistics.csv` (a row per arm and loss kind), `improvements.csv` (a row per trial),
    `curves.csv`, `parity.csv`, `convergence.csv` (what reaching the control's loss took),
    `costs.csv`, `champions.csv`, `members.csv` (the losses at halts and at K), `kinship.csv`,
    `species.csv`, `tasks.csv`, `utilisation.csv`; of a search also `anytime.csv`, `search.csv` (a
    row per arm), `diversity.csv`, `networks.csv` (with the front of size and loss) and
    `crossings.csv` (children by what took part, a row per arm). Where an improvement is not a
    fraction, a column `unit` says so. The same tables give the same bytes.

    Args:
        run: the run directory. Only its tables are needed; where `experiment.toml` or
            `environment.json` is missing, the page says so.
        so_far: of a run that is not finished: what it has. The report is then one of it, and is
            written to `report-so-far/`, which the report at the run's end takes away.

    Raises:
        ReportError: there are no tables, or the report can't be written.
    """
    tables = read_tables(run) if so_far is None else so_far.whole
    to = ReportDir(run.report if so_far is None else run.report_so_far)
    numbers = overview(tables, loss_names(run))
    more = chosen.secondary(numbers, tables)
    found = searched(tables)
    pictures = [] if so_far is None else so_far.pictures()
    pictures += chosen.pictures(numbers, more, tables, found)
    statistics = full_statistics(numbers)
    spent = spent_to_control(numbers, tables)
    files = {
        "statistics": without_sole_unit(statistics),
        "convergence": spent,
        **_numbers(numbers, more),
    }
    if found is not None:
        files |= {
            "anytime": found.bands,
            "search": found.arms,
            "diversity": found.diversity,
            "networks": found.networks,
        }
        # Older runs did not record it.
        files |= {} if found.born.empty else {"crossings": crossings(found.born)}
    try:
        for name, table in files.items():
            write_atomic(to.csv(name), table.to_csv(index=False).encode())
        for picture in pictures:
            _write_picture(to, picture)
        told = {"search": _search(found, tables), **_told(tables)}
        told["so_far"] = () if so_far is None else so_far.told
        text = _html(run, numbers, pictures, statistics, spent, told)
        write_atomic(to.html, text.encode())
    except OSError as error:
        raise ReportError(
            f"{to.root}: the report must be writable, and writing it says: {error}. "
            "Make room or change the rights, and run `heterosis report` again."
        ) from error
    if so_far is None:
        shutil.rmtree(run.report_so_far, ignore_errors=True)
    return to.html


def arms_table(tables: dict[str, pd.DataFrame], losses: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the arms of a run in a few columns of text, for a terminal.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.
        losses: names of the run's losses, as `analysis.tables.loss_names` returns them.

    Returns:
        As `report.page.arms_table` says: one row per arm, the control first, all cells text.
    """
    return page.arms_table(overview(tables, losses))


def _numbers(numbers: Overview, more: Secondary) -> dict[str, pd.DataFrame]:
    """Return the other numbers of the report, a table a file."""
    return {
        "improvements": without_sole_unit(numbers.paired),
        "curves": numbers.bands,
        "parity": numbers.parity.merge(numbers.area, on=["arm", "kind", "trial"]),
        "costs": numbers.costs,
        "champions": numbers.champions,
        "members": more.members,
        "kinship": without_sole_unit(more.kinship),
        "species": more.species,
        "tasks": more.tasks,
        "utilisation": more.utilisation,
    }


def _search(found: Search | None, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the tables of a search as the template takes them; nothing for another run."""
    if found is None:
        return {}
    return {
        "rows": search_page.arm_rows(found),
        "sentences": search_page.sentences(found),
        "champion": search_page.descent(tables),
        "yardstick": YARDSTICK,
    }


def _told(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return remarks on training and the other metrics as the template takes them."""
    names, rows = page.metric_rows(tables["trials"])
    remarks = page.remark_lines(tables["members"])
    return {"remarks": remarks, "metric_names": names, "metric_rows": rows}


def _html(
    run: RunDir,
    numbers: Overview,
    pictures: list[Picture],
    statistics: pd.DataFrame,
    spent: pd.DataFrame,
    told: dict[str, Any],
) -> str:
    """Fill in the page; everything from the run directory is escaped by the template."""
    shown, folded = page.shown_kinds(numbers)
    # Of a run that is not finished there may be nothing whole to count.
    whole = numbers.unfinished < len(numbers.arms) * numbers.trials
    experiment, no_experiment = page.settings(run)
    environment, no_environment = page.environment(run)
    data_lines, data_remarks = page.data_notes(run)
    still = [f"{note[0].upper()}{note[1:]}." for note in told["remarks"] if note.startswith(STILL)]
    return render(
        "report.html.j2",
        name=run.root.resolve().name,
        labels=read_labels(run).said,
        verdict=unbroken(wording.verdict(numbers)),
        tested=bool(numbers.summary["t_p"].notna().any()),
        whole=whole,
        cautions=[unbroken(note) for note in (*still, *wording.cautions(numbers)) if whole],
        facts=page.facts(numbers),
        pictures={
            chapter: [element(picture) for picture in pictures if picture.chapter == chapter]
            for chapter in CHAPTERS
        },
        shown=[(kind, page.arm_rows(numbers, kind)) for kind in shown],
        folded=[(kind, page.arm_rows(numbers, kind)) for kind in folded],
        with_parity=list(CURVE_BESIDE),
        pace=page.pace_rows(statistics, spent, wording.held_out_kind(numbers)) if shown else [],
        margin=percent(MARGIN, 0, sign=False),
        effect=percent(EFFECT, 0, sign=False),
        **told,
        champions=page.champion_rows(numbers),
        kinds=KINDS,
        names=wording.NAMES,
        has_accuracy=bool(numbers.champions["test_accuracy"].notna().any()),
        failures=page.failure_rows(numbers, run),
        costs=page.cost_rows(numbers),
        lengths=numbers.lengths,
        cost_sentence=page.cost_sentence(numbers),
        experiment=experiment,
        no_experiment=no_experiment,
        data_lines=data_lines,
        data_remarks=data_remarks,
        environment=environment,
        no_environment=no_environment,
        control=CONTROL,
        compared=max(len(numbers.arms) - 1, 0),
        resamples=RESAMPLES,
        smallest_bootstrap=SMALLEST_BOOTSTRAP,
        divided=bool(numbers.summary["unit"].eq(FRACTION).all()),
        shares=bool(numbers.of(wording.held_out_kind(numbers))["unit"].eq(FRACTION).all()),
    )


def _write_picture(to: ReportDir, picture: Picture) -> None:
    """Write both forms of a figure as SVG and PNG."""
    for form, name in (("wide", picture.name), ("narrow", f"{picture.name}-narrow")):
        write_atomic(to.figure(name, "svg"), picture.documents[form].encode())
        write_atomic(to.figure(name, "png"), drawing.png(getattr(picture, form)))
