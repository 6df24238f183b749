"""`python -m workflow`: the command, or one line on what this interpreter lacks."""

import sys

try:
    from workflow.cli import main

    main()
except ModuleNotFoundError as error:
    print(
        f"error: {sys.executable} lacks {error.name!r}, which heterosis needs; run `make install` "
        "in the project and use .venv/bin/heterosis, or install heterosis for this interpreter",
        file=sys.stderr,
    )
    sys.exit(2)
