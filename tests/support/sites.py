"""Configurations of sites, made and not used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import parsl

from site_configs.options import SiteOptions, find_site

CLUSTERS: Final = ("slurm", "pbs")

ENOUGH: Final = {name: ["cores_per_node=4"] for name in CLUSTERS}
"""What a site cannot do without."""


def options(**changes: Any) -> SiteOptions:
    """Return options of a site of this machine."""
    return SiteOptions(**({"run_dir": "runs/x/parsl", "workers": 3, "threads": 2} | changes))


def made(name: str, *given: str, run_dir: str = "runs/x/parsl") -> parsl.Config:
    """Return the configuration of a site with so many of its options given."""
    return find_site(name, [*ENOUGH.get(name, []), *given]).config(Path(run_dir), None)
