"""The core needs NumPy and SciPy only."""

import subprocess
import sys
from pathlib import Path

import apps.genetics

FOLDER = Path(apps.genetics.__file__).parent
SCRIPT = """
import sys
for name in ("tensorflow", "keras", "parsl", "pandas", "pydantic"):
    sys.modules[name] = None
import importlib
for name in sys.argv[1:]:
    importlib.import_module("apps.genetics." + name)
outside = {n.partition(".")[0] for n in sys.modules if n.startswith(("apps.", "workflow"))}
assert outside == {"apps"}, outside
assert {n for n in sys.modules if n.startswith("apps.")} <= {
    "apps.errors", "apps.genetics", *("apps.genetics." + n for n in sys.argv[1:])
}
"""


def test_importable_without_keras_tensorflow_and_parsl():
    names = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
    assert len(names) > 10
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names],
        cwd=FOLDER.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
