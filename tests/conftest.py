"""How the tests are shared out among processes, and which of them are slow.

`pytest -n 2 --dist loadgroup --no-loadscope-reorder` hands out groups of tests in the order of the
items: the longest come first, since a long one that begins last leaves the other process idle.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from apps import runtime

# A module may compute while it is collected: its threads would stay those of all tests.
runtime.prepare()

HERE: Final = Path(__file__).parent

LONGEST: Final = (
    "slurm",
    "workflow/driver/test_interrupts.py",
    "workflow/driver/test_search.py",
    "apps/training/test_against_keras.py",
    "analysis/report/test_write.py",
    "analysis/notebook/test_notebooks.py",
    "analysis/report/test_storing.py",
    "test_control_against_control.py",
    "workflow/driver/test_executors.py",
    "workflow/driver/test_faults.py",
    "apps/tasks/test_repeats.py",
    "workflow/driver/test_time_limit.py",
    "workflow/preflight/test_rehearse.py",
    "workflow/preflight/test_rehearse_apart.py",
    "apps/test_runtime.py",
    "heterosis/test_rooms.py",
    "apps/preflight/test_rehearsal.py",
    "apps/preflight/test_rehearsed_halts.py",
    "apps/training/test_trainer.py",
    "apps/training/test_batch_graph.py",
    "workflow/driver/test_retention.py",
    "workflow/experiment/test_own_data.py",
    "test_docs.py",
    "workflow/test_launch.py",
    "workflow/commands/test_damaged_records.py",
    "workflow/test_cli.py",
    "workflow/driver/test_own_layers.py",
    "test_wheel.py",
    "analysis/report/test_comparison_page.py",
    "test_readme.py",
    "workflow/runs/test_begun_before.py",
    "workflow/driver/test_resume.py",
    "workflow/experiment/test_mistakes.py",
    "apps/preflight/test_own_settings.py",
    "site_configs/test_monitoring.py",
    "workflow/experiment/test_new_project.py",
    "apps/architecture/test_layer_symmetries.py",
    "apps/tasks/test_train.py",
    "apps/training/test_kinds.py",
    "workflow/driver/test_direction.py",
    "apps/preflight/test_search_space.py",
    "apps/breeding/test_offspring.py",
    "apps/breeding/test_family.py",
    "apps/training/test_outer_momentum.py",
    "workflow/runs/test_replay.py",
    "workflow/driver/test_taught.py",
    "analysis/report/test_browser.py",
    "workflow/runs/test_cleaning.py",
    "workflow/preflight/test_plan.py",
    "apps/preflight/test_sample.py",
)
"""Files and folders whose tests take more than some ten seconds, the longest first."""

ALONE: Final = (
    "workflow/driver/test_interrupts.py",
    "workflow/driver/test_faults.py",
    "workflow/driver/test_search.py",
    "apps/tasks/test_repeats.py",
)
"""Long files whose tests share no fixture of their own: each test is a group."""


SLOW: Final = (
    "slurm",
    "apps/tasks/test_export.py",
    "apps/training/test_against_keras.py",
    "apps/training/test_batch_graph.py",
    "apps/training/test_kinds.py",
    "workflow/driver/test_direction.py",
    "workflow/driver/test_taught.py",
    "workflow/driver/test_time_limit.py",
    "workflow/runs/test_cleaning.py",
)
"""Files and folders that `make check` leaves out whole: other files try the same, in small."""


def name_of(item: pytest.Item) -> str:
    """Return the file of a test: from this folder on, if it is in it."""
    return str(item.path.relative_to(HERE) if HERE in item.path.parents else item.path)


def place(name: str, among: Sequence[str]) -> int:
    """Return which of some files and folders a test's file is, or is in; their number if none."""
    return next(
        (n for n, each in enumerate(among) if name == each or name.startswith(f"{each}/")),
        len(among),
    )


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """What is written is read by this machine, which does not lose its power meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups and -m the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, for their fixtures, and those of the one cluster."""
    assert all((HERE / name).exists() for name in (*LONGEST, *ALONE, *SLOW)), "a file has moved"
    items.sort(key=lambda item: place(name_of(item), LONGEST))
    for item in items:
        name = name_of(item)
        group = item.nodeid if name in ALONE else name
        if name.startswith("slurm/"):
            group = "slurm"
        if place(name, SLOW) < len(SLOW):
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a pytest that drops groups: the one cluster would be shared, fixtures made twice."""
    grouped = getattr(session.config.option, "loadgroup", False)
    assert not grouped or all("@" in item.nodeid for item in session.items), "groups are lost"
