"""The doctor compares what a worker sees with what a run needs; no worker is needed for that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps.errors import UserError
from apps.messages.specs import DataSpec
from apps.tasks.checkup import ANSWERED, Check, checkup, versions
from tests.workflow.conftest import Heterosis
from workflow.preflight import doctor
from workflow.preflight.doctor import Patient, _answers, _wait_for, _write_question, diagnose, tell

DATA = DataSpec(name="fashion_mnist_sample", validation=0)


def patient(folder: Path, **changes: Any) -> Patient:
    return Patient(
        **({"config": None, "folder": folder, "data": DATA, "cores": 1, "gpus": False} | changes)
    )


@pytest.fixture
def word(tmp_path: Path) -> str:
    return _write_question(tmp_path)


def answers(folder: Path, word: str, changes: dict[str, Any], **wanted: Any) -> dict[str, Check]:
    found = checkup(str(folder), DATA, str(folder), gpus=False) | changes
    return {check.what: check for check in _answers(found, patient(folder, **wanted), word, False)}


def test_a_sound_worker_passes_in_every_respect(tmp_path: Path, word: str) -> None:
    checks = answers(tmp_path, word, {})
    assert list(checks) == ["a worker answers", "versions", "run folder", "data", "cores"]
    assert all(check.ok for check in checks.values())


@pytest.mark.parametrize(
    ("changes", "wanted", "what", "told"),
    [
        ({"versions": versions() | {"keras": "3.0.0"}}, {}, "versions", "keras 3.0.0 (driver: "),
        ({"versions": versions() | {"python": "3.9.1"}}, {}, "versions", "python 3.9.1 (driver: "),
        ({"versions": {}}, {}, "versions", "heterosis None"),
        ({"folder_error": "Permission denied: /x"}, {}, "run folder", "Permission denied: /x"),
        ({"data_error": "data: no such folder"}, {}, "data", "data: no such folder"),
        ({"cores": 1}, {"cores": 4}, "cores", "the worker may use 1, 4 wanted"),
        (
            {"cores": 1, "workers": 32},
            {},
            "cores",
            "the worker may use 1, 32 wanted: 1 for each of its node's 32 workers",
        ),
        ({"cores": 63, "workers": 32}, {"cores": 2}, "cores", "the worker may use 63, 64 wanted"),
        ({"gpus": [], "visible_gpus": "0"}, {"gpus": True}, "GPUs", "sees 0, one is wanted"),
        ({"gpus": ["a", "b"]}, {"gpus": True}, "GPUs", "sees 2, one is wanted"),
    ],
)
def test_what_is_wrong_is_told_with_the_next_step(
    changes: dict[str, Any],
    wanted: dict[str, Any],
    what: str,
    told: str,
    tmp_path: Path,
    word: str,
) -> None:
    checks = answers(tmp_path, word, changes, **wanted)
    assert [name for name, check in checks.items() if not check.ok] == [what]
    assert told in checks[what].found
    assert checks[what].next_step


def test_workers_that_have_cores_of_their_own_share_none(tmp_path: Path, word: str) -> None:
    found = checkup(str(tmp_path), DATA, "", gpus=False) | {"cores": 2, "workers": 32}
    asked = patient(tmp_path, cores=2)
    cores = {
        bound: next(c for c in _answers(found, asked, word, bound) if c.what == "cores")
        for bound in (False, True)
    }
    assert (cores[False].ok, cores[True].ok) == (False, True)
    assert cores[True].found == "the worker may use 2, 2 wanted"


@pytest.mark.parametrize(("affinity", "ok"), [("none", False), ("block", True)])
def test_the_executor_says_whether_workers_have_cores_of_their_own(
    affinity: str, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARSL_WORKER_COUNT", "100000")
    answer: Future[Any] = Future()

    @contextmanager
    def probed(config: Any, question: tuple[Any, ...]) -> Iterator[Any]:
        answer.set_result(checkup(*question))
        yield [(SimpleNamespace(cpu_affinity=affinity), answer)]

    monkeypatch.setattr(doctor, "probed", probed)
    checks = diagnose(patient(tmp_path), lambda _: [], lambda _: [], 1.0, print)
    assert {check.what: check.ok for check in checks}["cores"] == ok


def test_a_patch_release_of_python_is_no_other_python(tmp_path: Path, word: str) -> None:
    mine = versions()
    other = mine["python"].rpartition(".")[0] + ".99"
    assert answers(tmp_path, word, {"versions": mine | {"python": other}})["versions"].ok


def test_a_folder_of_the_same_name_that_is_not_shared_is_told(tmp_path: Path, word: str) -> None:
    found = checkup(str(tmp_path), DATA, "", gpus=False)
    (tmp_path / ANSWERED).write_text("from another folder")
    checks = {check.what: check for check in _answers(found, patient(tmp_path), word, False)}
    assert not checks["run folder"].ok
    assert "another folder" in checks["run folder"].found


def test_the_checkup_raises_nothing(tmp_path: Path) -> None:
    found = checkup(str(tmp_path / "nowhere"), DataSpec(name="nothing"), "", gpus=False)
    assert "No such file" in found["folder_error"]
    assert "nothing" in found["data_error"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--runs"):
        _write_question(tmp_path / "file")


def test_a_worker_that_never_answers_is_told_with_what_the_scheduler_says() -> None:
    said: list[str] = []
    states = iter([["block 0: pending (Priority)"]] * 2 + [["block 0: pending (Resources)"]] * 9)
    check = _wait_for(Future(), 5.0, lambda: next(states), said.append)
    assert check is not None
    assert not check.ok
    assert "pending (Resources)" in check.found
    assert [line.strip() for line in said] == [
        "block 0: pending (Priority)",
        "block 0: pending (Resources)",
    ]


def test_nothing_is_submitted_when_something_is_wrong_before(tmp_path: Path) -> None:
    before = [Check("commands", True, "all"), Check("partition", False, "none", "choose one")]
    checks = list(diagnose(patient(tmp_path), lambda _: before, lambda _: [], 1.0, print))
    assert checks == before
    assert list(tmp_path.iterdir()) == []


def test_a_failed_check_is_told_in_two_lines() -> None:
    said: list[str] = []
    assert tell(Check("data", True, "found"), said.append)
    assert not tell(Check("data", False, "missing", "fetch them"), said.append)
    assert said == ["ok    data: found", "FAIL  data: missing", "      next: fetch them"]


def test_the_default_site_is_well(heterosis: Heterosis, tmp_path: Path) -> None:
    ended = heterosis("doctor", "--runs", tmp_path / "runs", "--data", "fashion_mnist_sample")
    assert (ended.code, ended.err) == (0, "")
    assert [line[:4] for line in ended.out.splitlines()] == ["ok  "] * 5
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_site_that_is_unwell_ends_with_code_1(heterosis: Heterosis, tmp_path: Path) -> None:
    ended = heterosis("doctor", "--runs", tmp_path / "runs", "--data", "fashion_mnistt")
    assert (ended.code, ended.err) == (1, "")
    assert "FAIL  data: " in ended.out
    assert "      next: " in ended.out
