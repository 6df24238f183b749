"""Every site: what it asks Parsl for, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import parsl
import pytest

from apps.errors import UserError
from site_configs.options import SITES
from tests.support.sites import made


@pytest.mark.parametrize("name", SITES)
def test_every_site_keeps_to_the_house(name: str) -> None:
    config = made(name)
    assert isinstance(config, parsl.Config)
    assert config.run_dir == "runs/x/parsl"
    assert config.usage_tracking == 0
    assert len(config.executors) == 1


def test_making_a_configuration_starts_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in SITES:
        made(name, run_dir=str(tmp_path / "parsl"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SITES)
def test_an_unknown_option_is_refused_and_the_nearest_named(name: str) -> None:
    with pytest.raises(UserError, match=f"site {name}: unknown key 'cores_per_tusk'; did you mean"):
        made(name, "cores_per_tusk=2")
