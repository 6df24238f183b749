"""Builds the documentation site: `python docs/build.py FOLDER`.

Pages and configuration are made in a folder of their own, Zensical builds them there, and the site
is moved to where it was asked for.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w
from generate import ROOT, generate


def build(site: Path) -> int:
    """Build the site in place of what the folder holds; return the exit code."""
    with TemporaryDirectory(prefix="heterosis-docs-") as folder:
        place = Path(folder)
        table = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))
        project = table["project"]
        project["nav"] = generate(place / project["docs_dir"])
        reference = project["plugins"]["mkdocstrings"]["handlers"]["python"]
        reference["paths"] = [str(ROOT)]
        reference["options"]["extensions"] = [f"{ROOT}/docs/docstrings.py:Docstrings"]
        config = place / "zensical.toml"
        config.write_text(tomli_w.dumps(table), encoding="utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", config]
        ended = subprocess.run(command, cwd=ROOT, check=False).returncode
        if ended == 0:
            shutil.rmtree(site, ignore_errors=True)
            shutil.move(place / project["site_dir"], site)
        return ended


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
