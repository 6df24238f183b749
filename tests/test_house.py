"""The rules of the house: who imports whom, what ships, what no file may say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import get_args

import importlinter.configuration
import pytest
from grimp import ImportGraph, build_graph
from importlinter import Contract
from importlinter.application import use_cases
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from apps.errors import Code
from workflow.experiment.file import READY, find_experiment, load_experiment

ROOT = Path(__file__).parents[1]
ROOMS = ("heterosis", "workflow", "apps", "site_configs", "analysis")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

BREACHES = {
    "the core is numpy and scipy": [
        ("apps.genetics.mutation", "pandas"),
        ("apps.genetics.mutation", "apps.files"),
        ("apps.genetics.mutation", "tensorflow"),
    ],
    "the floors of apps": [
        ("apps.genetics.mutation", "apps.messages.specs"),
        ("apps.messages.specs", "apps.training.trainer"),
        ("apps.training.trainer", "apps.breeding.offspring"),
        ("apps.breeding.offspring", "apps.champion"),
        ("apps.errors", "apps.files"),
    ],
    "the floors of workflow": [
        ("workflow.experiment.config", "workflow.driver.trial"),
        ("workflow.driver.run", "workflow.runs.tables"),
        ("workflow.runs.tables", "workflow.preflight.plan"),
        ("workflow.launch", "workflow.cli"),
    ],
    "the floors of analysis": [
        ("analysis.statistics.curves", "analysis.report.page"),
        ("analysis.figures.drawing", "analysis.report.write"),
        ("analysis.report.write", "analysis.notebook.poster"),
    ],
    "where the rooms are is known to all and knows none": [
        ("heterosis.rooms", "workflow.launch"),
        ("heterosis.rooms", "apps.errors"),
    ],
    "no room asks for the public names": [
        ("workflow.launch", "heterosis"),
        ("apps.plugins.load", "heterosis"),
    ],
    "apps know nothing above them": [
        ("apps.files", "workflow.cli"),
        ("apps.records.run_dir", "analysis.tables"),
        ("apps.tasks.parsl_apps", "site_configs.options"),
    ],
    "sites know no experiment": [("site_configs.options", "workflow.experiment.config")],
    "analysis reads run directories only": [
        ("analysis.tables", "workflow.experiment.config"),
        ("analysis.tables", "apps.messages.tasks"),
    ],
    "the command and its Python interface bring sites and analysis together": [
        ("workflow.driver.run", "site_configs.options"),
        ("workflow.driver.run", "analysis.report.write"),
    ],
    "few places know Parsl": [
        ("workflow.driver.run", "parsl"),
        ("apps.tasks.train", "parsl"),
        ("analysis.tables", "parsl"),
    ],
    "only workers know TensorFlow and Keras": [
        ("workflow.driver.run", "keras"),
        ("site_configs.options", "tensorflow"),
    ],
    "no circles": [
        ("workflow.experiment.config", "workflow.launch"),
        ("apps.messages.specs", "apps.messages.tasks"),
    ],
}
"""For every contract of pyproject.toml: who imports what, that it must refuse."""


# ------------------------------------------------------------------------------------- imports
@pytest.fixture(scope="module")
def house() -> ImportGraph:
    """Every import of the rooms, read from their source."""
    return build_graph(*ROOMS, include_external_packages=True, cache_dir=None)


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    """The contracts of pyproject.toml by name, as import-linter makes them of it."""
    importlinter.configuration.configure()
    options = use_cases.read_user_options(str(ROOT / "pyproject.toml"))
    assert options.session_options["root_packages"] == list(ROOMS)
    kinds: dict[str, type[Contract]] = {
        "acyclic_siblings": AcyclicSiblingsContract,
        "forbidden": ForbiddenContract,
        "layers": LayersContract,
        "protected": ProtectedContract,
    }
    return {
        each["name"]: kinds[each["type"]](each["name"], options.session_options, each)
        for each in options.contracts_options
    }


def kept(contract: Contract, house: ImportGraph) -> bool:
    return contract.check(deepcopy(house), verbose=False).kept  # it changes what it is given


def test_all_contracts_are_kept_and_each_has_a_breach_here(
    house: ImportGraph, contracts: dict[str, Contract]
) -> None:
    assert house.find_shortest_chain("workflow.cli", "keras"), "imports in functions count"
    assert {name: kept(each, house) for name, each in contracts.items()} == dict.fromkeys(
        contracts, True
    )
    assert list(BREACHES) == list(contracts)


@pytest.mark.parametrize(
    ("contract", "importer", "imported"),
    [(contract, *breach) for contract, breaches in BREACHES.items() for breach in breaches],
)
def test_a_contract_notices_its_breach(
    house: ImportGraph,
    contracts: dict[str, Contract],
    contract: str,
    importer: str,
    imported: str,
) -> None:
    assert importer in house.modules
    assert imported in house.modules, "there is no such module to import"
    assert not house.direct_import_exists(importer=importer, imported=imported)
    breached = deepcopy(house)
    breached.add_import(importer=importer, imported=imported)
    assert not kept(contracts[contract], breached)


def module_level_imports(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported when a module is: not in functions, not for type checking."""
    places: list[ast.AST] = [tree]
    while places:
        place = places.pop()
        if isinstance(place, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(place, ast.If) and ast.unparse(place.test) == "TYPE_CHECKING":
            places += place.orelse
            continue
        if isinstance(place, ast.Import):
            yield from (name.name for name in place.names)
        if isinstance(place, ast.ImportFrom) and place.module and not place.level:
            yield place.module
        places += ast.iter_child_nodes(place)


@pytest.mark.parametrize("room", ROOMS)
def test_tensorflow_and_keras_are_imported_inside_functions(room: str) -> None:
    for source in (ROOT / room).rglob("*.py"):
        imported = {name.partition(".")[0] for name in module_level_imports(_tree(source))}
        assert not imported & {"tensorflow", "keras"}, source


@pytest.mark.parametrize("room", ROOMS)
def test_imports_are_absolute(room: str) -> None:
    for source in (ROOT / room).rglob("*.py"):
        levels = [n.level for n in ast.walk(_tree(source)) if isinstance(n, ast.ImportFrom)]
        assert not any(levels), source


def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text())


ONLY_NUMPY_AND_SCIPY = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top, room = name.partition(".")[0], ".".join(name.split(".")[:2])
        free = top in sys.stdlib_module_names | {"numpy", "scipy", "apps"}
        free = free or top.startswith("_sysconfigdata")  # of the standard library, built with it
        other = room.startswith("apps.") and room not in ("apps.genetics", "apps.errors")
        if other or not free:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import apps.genetics
for module in pkgutil.walk_packages(apps.genetics.__path__, "apps.genetics."):
    importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("apps.genetics.")]))
"""


def test_the_core_imports_with_nothing_but_numpy_and_scipy() -> None:
    modules = list((ROOT / "apps" / "genetics").glob("[!_]*.py"))
    assert int(_run(ONLY_NUMPY_AND_SCIPY)) == len(modules) > 5


def test_the_block_of_the_test_above_blocks() -> None:
    done = _python(ONLY_NUMPY_AND_SCIPY + "import parsl")
    assert done.returncode == 1
    assert "parsl is blocked" in done.stderr


def test_the_command_starts_without_tensorflow_and_keras() -> None:
    program = "import sys, workflow.cli; print(*sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    assert _run(program) == ""


def _run(program: str) -> str:
    done = _python(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )


# ------------------------------------------------------------------------------------ what ships
def test_every_package_is_listed_and_every_data_file_ships() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    packages = {
        str(source.parent.relative_to(ROOT)).replace("/", ".")
        for room in ROOMS
        for source in (ROOT / room).rglob("__init__.py")
    }
    assert set(setuptools["packages"]) == packages
    shipped = {
        path
        for room, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in (ROOT / room.replace(".", "/")).glob(pattern)
        if path.is_file()
    }
    needed = {*READY.glob("*.toml"), *(ROOT / "analysis" / "report" / "templates").iterdir()}
    needed |= {
        path for path in (ROOT / "apps" / "datasets" / "data").rglob("*") if path.suffix == ".gz"
    }
    assert needed <= shipped


def test_every_module_is_in_a_listed_package() -> None:
    listed = {package.replace(".", "/") for package in PROJECT["tool"]["setuptools"]["packages"]}
    scripts = {ROOT / "apps" / "datasets" / "data" / "make_sample.py"}  # run by hand, once
    for room in ROOMS:
        for source in set((ROOT / room).rglob("*.py")) - scripts:
            assert str(source.parent.relative_to(ROOT)) in listed, source


def test_constraints_pin_every_requirement_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", pin) for pin in pins)
    names = [_normal(pin.partition("==")[0]) for pin in pins]
    assert len(names) == len(set(names))
    extras = PROJECT["project"]["optional-dependencies"].values()
    required = [*PROJECT["project"]["dependencies"], *chain.from_iterable(extras)]
    wanted = {_normal(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in required}
    assert wanted - {_normal(PROJECT["project"]["name"])} <= set(names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", sorted(READY.glob("*.toml")), ids=lambda path: path.stem)
def test_ready_experiments_load(path: Path) -> None:
    assert find_experiment(path.stem) == path
    experiment = load_experiment(path)
    assert experiment.name == path.stem
    assert path.read_text().startswith("# "), "a ready experiment opens with what it measured"
    for arm in experiment.arms:
        assert all(isinstance(halt.at, int) for halt in arm.halts)


# --------------------------------------------------------------------------- tests of each module
LOGIC = 40
"""Lines within functions, from which on a module has tests of its own name."""

TESTED_ELSEWHERE = {
    "apps/training/data_parts.py": "test_trainer and test_teaching: every engine takes its parts",
    "apps/training/epoch_loop.py": "test_trainer: every engine is held against Keras's fit",
    "apps/training/fit.py": "test_trainer: likewise",
    "apps/training/graph.py": "test_trainer: likewise",
    "apps/training/network_checks.py": "preflight/test_rehearsal, which is what they are for",
}
"""Modules with much logic and without tests of their name, and where their tests are."""


def lines_of_logic(source: Path) -> int:
    """Count the lines within functions that are neither blank, comment nor docstring."""
    inside: set[int] = set()
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            inside.update(*(range(each.lineno, (each.end_lineno or 0) + 1) for each in body))
    lines = source.read_text().splitlines()
    texts = (lines[number - 1].strip() for number in inside)
    return sum(bool(text) and not text.startswith("#") for text in texts)


def test_a_module_with_logic_has_tests_of_its_name() -> None:
    found = {
        str(source.relative_to(ROOT))
        for room in ROOMS
        for source in (ROOT / room).rglob("*.py")
        if lines_of_logic(source) > LOGIC
        and not (ROOT / "tests" / source.relative_to(ROOT))
        .with_name(f"test_{source.name}")
        .exists()
    }
    assert found == TESTED_ELSEWHERE.keys()


def test_lines_of_logic_are_those_within_functions(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text('X = 1\n\n\ndef f():\n    """Say."""\n    # why\n    a = 1\n\n    return a\n')
    assert lines_of_logic(source) == 2


# ----------------------------------------------------------------------- what no file may say
ELSEWHERE = re.compile(r"(?<![\w.~$}])/(?:root|work|Users|home/(?!user/|user\b|you/))/?\w")
"""Folders of somebody's machine; /home/user and /home/you are examples."""


def repository_files() -> list[Path]:
    """Return the files that are, or would be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_path_of_a_machine() -> None:
    places = {str(place) for place in (ROOT, Path(sys.prefix), Path.home()) if len(place.parts) > 2}
    found = []
    for path in repository_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if path == Path(__file__):
            continue
        found += [f"{path}: {hit.group()}" for hit in ELSEWHERE.finditer(text)]
        found += [f"{path}: {place}" for place in places if f"{place}/" in text]
    assert not found


# ------------------------------------------------------------------------------ codes of errors
def _codes() -> set[str]:
    return set(get_args(Code))


def test_every_code_of_an_error_is_explained_with_a_cure() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    explained = [section.splitlines()[0] for section in sections]
    assert sorted(explained) == sorted(_codes())
    assert all("*Cure:*" in section for section in sections)


def test_every_code_is_used() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py")
    )
    definition, rest = source.partition("Code = Literal[")[::2]
    used = definition + rest.partition("]\n")[2]
    unused = [code for code in _codes() if not re.search(rf'["\[]{code}["\]]', used)]
    assert unused == []
