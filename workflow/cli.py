"""The command `heterosis`: its options, its errors, its exit codes.

What a command needs is imported when it is called, so that help and completion answer at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from apps.errors import HeterosisError, UserError
from apps.output import keep_going, lost_output
from workflow.commands import handing_on, looking, running

if TYPE_CHECKING:
    from workflow.runs.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Train populations of neural networks on a cluster; halt, cross, mutate, train on.

An **experiment** (a TOML file) says what is run, a **site** where. Try `heterosis run quick`.
Running the same command again continues a run that was stopped.""",
)

for _command in (
    running.new,
    running.run,
    running.plan,
    looking.list_,
    looking.status,
    looking.watch,
    looking.report,
    looking.compare,
    looking.versus,
    looking.merging,
    handing_on.export,
    handing_on.store,
    handing_on.predict,
    handing_on.replay,
    handing_on.clean,
    looking.data,
    looking.sites,
    looking.doctor,
):
    app.command(_command.__name__.rstrip("_"))(_command)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of errors")] = False,
) -> None:
    """Declare `--debug`, which `main` reads itself: it handles the errors."""


def main(launch: Callable[..., Run] | None = None) -> None:
    """Run the command; errors meant for the user become one line and exit code 2.

    Args:
        launch: what `heterosis run` calls; `workflow.launch.run` if left out.
    """
    keep_going()
    # A driver under Slurm is ended with SIGTERM: stop as for Ctrl-C. Likewise where its terminal
    # is closed, unless that is to be ignored (nohup).
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)
    debug = "--debug" in sys.argv
    try:
        _run(launch)
    except UserError as error:
        _fail(error, 2, debug)
    except (HeterosisError, OSError) as error:
        _fail(error, 1, debug)


def _run(launch: Callable[..., Run] | None) -> None:
    try:
        app(obj=launch)
    except SystemExit as ended:
        sys.stdout.flush()
        if lost_output() and not ended.code:
            raise OSError(f"standard output could not be written: {lost_output()}") from None
        raise


def _interrupt(*_: object) -> None:
    # Not by raising SIGINT: a shell's background job ignores that.
    raise KeyboardInterrupt


def _fail(error: Exception, code: int, debug: bool) -> NoReturn:
    if debug:
        raise error
    about = error.code if isinstance(error, HeterosisError) else "file-system"
    for line in f"{error} [{about}]".splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
