"""A record that is missing or damaged says nothing, and breaks nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.records.environment import read_environment
from apps.records.run_dir import RunDir


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"cores": ', b"\xff\xfe"])
def test_a_record_that_cannot_be_read_says_nothing(content: bytes, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert read_environment(run) == {}
    run.environment_json.write_bytes(content)
    assert read_environment(run) == {}
    run.environment_json.write_text('{"cores": 2}')
    assert read_environment(run) == {"cores": 2}
