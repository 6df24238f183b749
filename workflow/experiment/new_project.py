"""A new project: a folder with an experiment, a network, data, and a site to fill in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Final

from apps.errors import UserError
from workflow.experiment.file import EXPERIMENT_TOML
from workflow.experiment.options import checked_name

_TEMPLATES: Final = Path(__file__).parents[1] / "templates"

SITE_TOML: Final = "site.toml"


def write_project(folder: Path, site: str) -> list[Path]:
    """Write a small project that `heterosis run` runs as it stands.

    Args:
        folder: the project's, made if it does not exist; its name becomes the experiment's.
        site: text of the site file.

    Returns:
        The files.

    Raises:
        UserError: one of them is there already (nothing is written), or cannot be written.
    """
    experiment = Template((_TEMPLATES / EXPERIMENT_TOML).read_text(encoding="utf-8"))
    files = {
        folder / EXPERIMENT_TOML: experiment.substitute(name=_name(folder)),
        folder / "network.py": (_TEMPLATES / "network.py.txt").read_text(encoding="utf-8"),
        folder / "data.py": (_TEMPLATES / "data.py.txt").read_text(encoding="utf-8"),
        folder / SITE_TOML: site,
    }
    there = [path.name for path in files if path.exists()]
    if there:
        raise UserError(
            f"{folder} has {', '.join(there)} already, and nothing is overwritten: choose another "
            "folder",
            code="project-folder",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; choose another "
            "folder",
            code="folder-not-writable",
        ) from error
    return list(files)


def _name(folder: Path) -> str:
    """Return the folder's name with every character replaced that no experiment's may have."""
    plain = re.sub(r"[^A-Za-z0-9_+.\-]", "-", folder.resolve().name).lstrip("_+.-")
    return checked_name(plain[:60] or "experiment")
