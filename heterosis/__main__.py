"""The command `heterosis`, also `python -m heterosis`; or one line on what Python lacks."""

import sys


def main() -> None:
    """Run the command."""
    try:
        from workflow.cli import main as command

        command()
    except ModuleNotFoundError as error:
        print(
            f"error: {sys.executable} lacks {error.name!r}, which heterosis needs; run "
            "`make install` in the project and use .venv/bin/heterosis, or install heterosis for "
            "this interpreter",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
