"""Output that nobody takes ends no process: it is lost, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODE = """if True:
    import sys
    from apps.output import keep_going, lost_output
    keep_going()
    for number in range(3):
        print("out" * 10_000, flush=True)
        print("err", file=sys.stderr)
    print("\\u00dcn\\u6570")
    with open(sys.argv[1], "w") as file:
        file.write(f"{file.fileno()} {lost_output()}")
"""


def shell(line: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", sys.executable, CODE],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
    )


@pytest.mark.parametrize(
    "how", ["| head -c 5", "2>&-", ">&-", ">&- 2>&- <&-", "| head -c 5 2>&-", ">/dev/full"]
)
def test_a_process_outlives_its_output(tmp_path: Path, how: str) -> None:
    ended = shell(f'"$0" -c "$1" {tmp_path}/done {how}')
    assert ended.returncode == 0, ended.stderr
    number, _, lost = (tmp_path / "done").read_text().partition(" ")
    assert int(number) > 2, "a file of ours took a stream's number"
    assert lost == ("No space left on device" if "full" in how else "")


def test_what_the_locale_lacks_is_escaped(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = shell(f'"$0" -c "$1" {tmp_path}/done | tail -1', **plain)
    assert ended.returncode == 0
    assert ended.stdout.isascii()
