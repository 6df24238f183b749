"""The path of a run directory can be written down, or the run does not begin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from workflow.runs.opening import check_sayable

ROOT = Path(__file__).parents[3]

CODE = """if True:
    import sys
    from pathlib import Path
    from workflow.runs.opening import check_sayable
    try:
        check_sayable(Path(sys.argv[1]), "the run directory")
    except Exception as error:
        print(error.code, error)
"""


def test_a_path_that_the_locale_cannot_say_is_refused() -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for path, said in (
        ("/tmp/\u00dcn\u6570", "environment the run directory '/tmp/"),
        ("/a b", ""),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", CODE, path.encode()],
            cwd=ROOT,
            env=os.environ | plain,
            capture_output=True,
            check=True,
        )
        assert ended.stdout.decode().startswith(said)
        assert bool(said) == ("LC_ALL=C.UTF-8" in ended.stdout.decode())


def test_a_path_of_any_letters_is_sayable_in_utf_8() -> None:
    check_sayable(Path("/tmp/\u00dcn\u6570 %s $HOME"), "the run directory")
