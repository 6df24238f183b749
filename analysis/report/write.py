"""The report of a run: one page that stands alone, its figures as files, its numbers as CSV."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.figures import chosen, drawing
from analysis.figures.chosen import Secondary
from analysis.figures.picture import Picture
from analysis.numerals import percent, plain, unbroken
from analysis.report import metrics_page, page, search_page
from analysis.report.findings import EFFECT, MARGIN, full_statistics, spent_to_control
from analysis.report.rendering import element, render
from analysis.report.so_far import SoFar
from analysis.statistics import wording
from analysis.statistics.crossings import crossings
from analysis.statistics.curves import CURVE_BESIDE
from analysis.statistics.metrics import Measured, measured, metric_names
from analysis.statistics.overview import Overview, overview
from analysis.statistics.paired import KINDS, RESAMPLES, SMALLEST_BOOTSTRAP
from analysis.statistics.scale import FRACTION, without_sole_unit
from analysis.statistics.search import YARDSTICK, Search, searched
from analysis.tables import CONTROL, loss_names, read_tables, training_of
from apps.errors import NotWritten
from apps.files import write_atomic
from apps.records.additions import read_additions
from apps.records.labels import read_labels
from apps.records.run_dir import ReportDir, RunDir
from apps.records.tables_schema import STILL

CHAPTERS: Final = ("result", "search", "metrics", "population", "workflow", "cost")
"""Where figures stand in the page."""


def write_report(run: RunDir, so_far: SoFar | None = None, png: bool = False) -> Path:
    """Write the report of a run and return its page.

    Written are `report/index.html`, which needs no other file, no script and no network,
    `report/figures/*.svg` (`-narrow` for a column's width), and the numbers:
    `statistics.csv` (a row per arm and loss kind), `improvements.csv` (a row per trial),
    `curves.csv`, `parity.csv`, `convergence.csv` (what reaching the control's loss took), of
    metrics beside the loss `metrics.csv` (a row per arm and metric) and `metric_curves.csv`,
    `costs.csv`, `champions.csv`, `members.csv` (the losses at halts and at the end), `kinship.csv`,
    `species.csv`, `tasks.csv`, `utilisation.csv`; of a search also `anytime.csv`, `search.csv` (a
    row per arm), `diversity.csv`, `networks.csv` (with the front of size and loss) and
    `crossings.csv` (children by what took part, a row per arm). Where an improvement is not a
    fraction, a column `unit` says so. The same tables give the same bytes.

    Args:
        run: the run directory. Only its tables are needed; where `experiment.toml` or
            `environment.json` is missing, the page says so.
        so_far: of a run that is not finished: what it has. The report is then one of it, and is
            written to `report-so-far/`, which the report at the run's end takes away.
        png: write each figure as `report/figures/*.png` too.

    Raises:
        ReportError: there are no tables.
        NotWritten: the report can't be written.
    """
    tables = read_tables(run) if so_far is None else so_far.whole
    to = ReportDir(run.report if so_far is None else run.report_so_far)
    numbers = overview(tables, loss_names(run))
    more = chosen.secondary(numbers, tables)
    metrics = measured(tables, training_of(run))
    found = searched(tables, metrics is not None and metrics.higher)
    pictures = [] if so_far is None else so_far.pictures()
    pictures += chosen.pictures(numbers, more, tables, found, metrics)
    statistics = full_statistics(numbers)
    spent = spent_to_control(numbers, tables)
    files = {
        "statistics": without_sole_unit(statistics),
        "convergence": spent,
        **_numbers(numbers, more),
    }
    if metrics is not None:
        files |= _metric_numbers(metrics) | {"champions": _with_metrics(numbers, metrics)}
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
            _write_picture(to, picture, png)
        told = {"search": _search(found, tables, metrics), **_told(tables, metrics)}
        told["so_far"] = () if so_far is None else so_far.told
        text = _html(run, numbers, pictures, statistics, spent, told)
        write_atomic(to.html, text.encode())
    except OSError as error:
        again = "make room or change the rights, and write it again with `heterosis report`"
        raise NotWritten(to.root, "the report", error, again) from error
    if so_far is None:
        shutil.rmtree(run.report_so_far, ignore_errors=True)
    return to.html


def arms_table(
    tables: dict[str, pd.DataFrame],
    losses: tuple[str, ...] = (),
    training: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the arms of a run in a few columns of text, for a terminal.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.
        losses: names of the run's losses, as `analysis.tables.loss_names` returns them.
        training: as `analysis.tables.training_of` returns it.

    Returns:
        As `report.page.arms_table` says: one row per arm, the control first, all cells text. Where
        a metric chose the champions, a column says how the arms differ in it.
    """
    table = page.arms_table(overview(tables, losses))
    metrics = measured(tables, training)
    head, cells = metrics_page.fitness_column(metrics) if metrics is not None else ("", {})
    return table.assign(**{head: table["arm"].map(cells).map(plain)}) if head else table


def _metric_numbers(metrics: Measured) -> dict[str, pd.DataFrame]:
    """Return the numbers of the metrics beside the loss, a table a file."""
    names = {"control_loss": "control_value", "arm_loss": "arm_value"}
    table = metrics.summary.rename(columns=names)
    mode = table["kind"].map(lambda kind: metrics.modes.get(kind.partition("_")[2]))
    return {"metrics": table.assign(mode=mode), "metric_curves": metrics.bands}


def _with_metrics(numbers: Overview, metrics: Measured) -> pd.DataFrame:
    """Return the champions' means with those of the metrics that are not among them."""
    known = [name for name in metrics.champions if name in numbers.champions and name != "arm"]
    return numbers.champions.merge(metrics.champions.drop(columns=known), on="arm")


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


def _search(
    found: Search | None, tables: dict[str, pd.DataFrame], metrics: Measured | None
) -> dict[str, Any]:
    """Return the tables of a search as the template takes them; nothing for another run."""
    if found is None:
        return {}
    others = metric_names(tables["trials"])
    return {
        "metrics": others,
        "rows": search_page.arm_rows(found, others),
        "sentences": search_page.sentences(found),
        "champion": search_page.descent(tables, metrics),
        "yardstick": YARDSTICK,
    }


def _told(tables: dict[str, pd.DataFrame], metrics: Measured | None) -> dict[str, Any]:
    """Return remarks on training and the other metrics as the template takes them."""
    told: dict[str, Any] = {"remarks": page.remark_lines(tables["members"]), "metrics": []}
    told["by_fitness"] = ""
    if metrics is not None:
        told["metrics"] = metrics_page.metric_tables(metrics)
        told["by_fitness"] = unbroken(metrics_page.fitness_sentence(metrics))
    return told


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
    first = [f"{note[0].upper()}{note[1:]}." for note in told["remarks"] if note.startswith(STILL)]
    first += read_additions(run).of(numbers.arms, numbers.trials).told()
    return render(
        "report.html.j2",
        name=run.root.resolve().name,
        labels=read_labels(run).said,
        verdict=unbroken(wording.verdict(numbers)),
        tested=bool(numbers.summary["t_p"].notna().any()),
        whole=whole,
        cautions=[unbroken(note) for note in (*first, *wording.cautions(numbers)) if whole],
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


def _write_picture(to: ReportDir, picture: Picture, png: bool) -> None:
    """Write both forms of a figure as SVG and, if asked for, as PNG."""
    for form, name in (("wide", picture.name), ("narrow", f"{picture.name}-narrow")):
        write_atomic(to.figure(name, "svg"), picture.documents[form].encode())
        if png:
            write_atomic(to.figure(name, "png"), drawing.png(getattr(picture, form)))
