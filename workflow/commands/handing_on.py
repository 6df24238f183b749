"""`export`, `store`, `predict`, `replay`, `clean`: commands for a finished run."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from workflow.commands.arguments import RunFolder, runs, samples


def export(
    run: RunFolder,
    out: Annotated[
        Path | None,
        typer.Option(help="folder of the files  [default: RUN/csv]", show_default=False),
    ] = None,
) -> None:
    """Write every table of a run as CSV.

    Numbers are written in full: `pandas.read_csv(PATH)` reads them back
    exactly.
    """
    from apps.files import write_atomic
    from workflow.runs.run import Run

    opened = Run.open(run)
    folder = out or opened.directory.csv
    for name, table in opened.tables.items():
        path = folder / f"{name}.csv"
        write_atomic(path, table.to_csv(index=False).encode())
        print(f"{path}: {len(table)} rows")


def store(
    run: RunFolder,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="created if it does not exist")],
) -> None:
    """Copy a run's tables and records, small enough to publish, and write its report from them.

    Names of machines and paths are left out.
    """
    from analysis.report.storing import store as store_run
    from apps.records.run_dir import RunDir
    from workflow.runs.opening import existing_run

    print(store_run(existing_run(run), RunDir(folder)))


def predict(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="a run directory, or a run's folder `champion` alone",
            autocompletion=runs,
        ),
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="a file of samples (.npy, .npz, .csv, .parquet; pictures or their folder), or "
            "`test` for the run's own test data",
            autocompletion=samples,
        ),
    ],
    out: Annotated[Path, typer.Option(help="file for the predictions")] = Path("predictions.csv"),
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown",
            help="accept categories that no training row had, as none of the known ones; without "
            "it, they are an error",
        ),
    ] = False,
) -> None:
    """Predict with a run's champion: one row per sample, with class and probabilities for classes.

    Give samples as the run's data have them: they are scaled as in training. The same in Python:

    `model = keras.models.load_model("RUN/champion/champion.keras")`

    `model.predict(x * scale)`, with the scale that this command prints (pixels: 1/255)

    A .npz has an array `x`, a single array, or one for each input by name. Columns of a .csv or
    .parquet are the features in order, or are found by name if the run's data are a table.
    """
    from apps.files import write_atomic
    from workflow.runs.predictions import TEST, read_asked, tabled
    from workflow.runs.run import champion_at

    champion = champion_at(run)
    own = data == TEST
    if own:
        table = tabled(champion, champion.predict_test())
    else:
        asked = read_asked(Path(data), champion.preparation, unknown)
        table = tabled(champion, champion.predict(asked.x), asked.pictures)
    write_atomic(out, table.to_csv(index=False).encode())
    if not own and champion.preparation.form.get("kind") == "table" and Path(data).suffix != ".npy":
        print("columns became inputs as in training")
    else:
        print(f"inputs were multiplied by {champion.preparation.scale:.6g}, as in training")
    if own:
        for name, value in champion.tested().items():
            print(f"test {name}: {value:.6g}")
    print(f"predictions: {out} ({len(table)} rows)")


def replay(run: RunFolder) -> None:
    """Train the champion's ancestors again: does the champion get the same weights?

    Trains in RUN/replay and changes nothing else. Exit code 1 when the weights differ.
    """
    from workflow.runs.lock import only_driver
    from workflow.runs.replay import replay as train_again
    from workflow.runs.run import Run

    opened = Run.open(run)
    trial, arm = opened.origin
    with only_driver(opened.directory.lock):
        found = train_again(opened.directory, opened.experiment, trial, arm, opened.place, print)
    trained = f"{found.networks} network{'s' * (found.networks != 1)} trained again"
    if found.identical:
        print(f"{trained}: the champion's weights are bit-identical")
        return
    where = f" (in {found.array})" if found.array else ""
    print(f"{trained}: the champion differs; largest difference {found.difference:.3g}{where}")
    for name, (recorded, replayed) in found.metrics.items():
        print(f"{name}: recorded {recorded:.9g}, now {replayed:.9g}")
    raise typer.Exit(1)


def clean(
    run: RunFolder,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list the files, but remove nothing")
    ] = False,
) -> None:
    """Remove files that neither a command nor a continued run needs.

    These are checkpoints of finished ancestors, remains of interrupted processes, Parsl's logs of a
    finished run, and replays. Results, champions, tables and the report stay.
    """
    from rich.filesize import decimal

    from workflow.experiment.file import recorded_experiment
    from workflow.runs.cleaning import find_waste, remove
    from workflow.runs.lock import only_driver
    from workflow.runs.opening import existing_run

    directory = existing_run(run.absolute())
    experiment = recorded_experiment(directory)
    # A dry run only reads, and leaves not even a lock.
    with nullcontext() if dry_run else only_driver(directory.lock):
        waste = find_waste(directory, experiment)
        for each in waste:
            print(f"{each.path.relative_to(directory.root)}: {each.why}")
        if not dry_run:
            remove(waste)
    freed = decimal(sum(each.size for each in waste))
    verb = "would be freed" if dry_run else "freed"
    print(f"{freed} {verb}" if waste else "nothing to remove")
