"""Pages that are made of the project itself, whenever the documentation site is built.

README and its fellows, the settings of an experiment file, the command's help, the ready
experiments and the reference of all modules; the gallery is in `gallery.py`. `build.py` runs it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import cleandoc
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from types import ModuleType
from typing import Annotated, Any, Final, get_origin, get_type_hints

import click
import typer.main
from gallery import READY, about, gallery
from griffe import Docstring, DocstringSectionKind
from pydantic import BaseModel

import heterosis
from apps.datasets.sources.readers import READERS
from apps.messages.specs import (
    DataSpec,
    FamilySpec,
    HarvestSpec,
    NetworkSpec,
    OuterSpec,
    SpeciesSpec,
)
from apps.messages.teachers import TeachSpec
from apps.strict import Table
from workflow.cli import app
from workflow.experiment.arms import Arm, Average, Schedule
from workflow.experiment.config import Experiment, Training
from workflow.experiment.halts import Halt, SearchSettings
from workflow.experiment.space import GeneSettings

ROOT: Final = Path(__file__).parents[1]
ROOMS: Final = ("heterosis", "workflow", "apps", "site_configs", "analysis")

PAGES: Final = {
    "docs/index.md": "index.md",
    "README.md": "manual.md",
    "docs/tutorial.md": "tutorial.md",
    "docs/coming-from.md": "coming-from.md",
    "docs/when-not.md": "when-not.md",
    "docs/clusters.md": "clusters.md",
    "docs/what-you-bring.md": "what-you-bring.md",
    "docs/errors.md": "errors.md",
    "docs/architecture.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    **{
        str(path.relative_to(ROOT)): f"results/{path.parent.name}.md"
        for path in sorted((ROOT / "analysis" / "results").glob("*/README.md"))
    },
}
"""Documents of the repository, and their pages."""

TABLES: Final[tuple[tuple[str, type[BaseModel | Table]], ...]] = (
    ("The top of the file", Experiment),
    ("[data]", DataSpec),
    *((f'data.params where data.name = "{name}"', READERS[name]) for name in sorted(READERS)),
    ("[network]", NetworkSpec),
    ("[training]", Training),
    ("[space]: each parameter", GeneSettings),
    ("[[arms]]", Arm),
    ("halts, or keys of the arm that hold for all of them", Halt),
    ("species", SpeciesSpec),
    ("teach", TeachSpec),
    ("outer", OuterSpec),
    ("family", FamilySpec),
    ("search", SearchSettings),
    ("average", Average),
    ("schedule", Schedule),
    ("harvest", HarvestSpec),
)
"""The tables of an experiment file, and what checks them."""

PICTURES: Final = (".png", ".svg")

LANGUAGES: Final = {".py": "python", ".toml": "toml"}

Contents = list[dict[str, Any]]
"""The table of contents as the site's configuration has it: titles, each of a page or of more."""


def write(folder: Path, page: str, text: str | bytes) -> None:
    """Write a page, or a file of one."""
    path = folder / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


# ------------------------------------------------------------------------------------ documents
class Documents:
    """The repository's documents, whose links lead to pages of the site."""

    def __init__(self) -> None:
        """Begin with no file shown."""
        self._shown: set[str] = set()

    def write(self, folder: Path) -> None:
        """Write every page, and a page for each file that one links to."""
        for source, page in PAGES.items():
            text = (ROOT / source).read_text(encoding="utf-8")
            write(folder, page, self._linked(text, source, page))
        for name in sorted(self._shown):
            if Path(name).suffix in PICTURES:
                write(folder, f"files/{name}", (ROOT / name).read_bytes())
                continue
            content = (ROOT / name).read_text(encoding="utf-8")
            language = LANGUAGES.get(Path(name).suffix, "text")
            text = f"# {name}\n\n````{language}\n{content}\n````\n"
            write(folder, f"files/{name}.md", text)

    def _linked(self, text: str, source: str, page: str) -> str:
        def moved(match: re.Match[str]) -> str:
            target, _, anchor = match[1].partition("#")
            if not target or ":" in target:
                return match[0]
            path = normpath(PurePosixPath(source).parent / target)
            if path in PAGES:
                there = PAGES[path]
            elif path.startswith("docs/"):
                there = path.removeprefix("docs/")
            else:
                self._shown.add(path)
                there = f"files/{path}" + (".md" if Path(path).suffix not in PICTURES else "")
            there = relpath(there, PurePosixPath(page).parent)
            return f"]({there}#{anchor})" if anchor else f"]({there})"

        return re.sub(r"\]\(([^)\s]+)\)", moved, text)


# ------------------------------------------------------------------------------------- settings
def explained(model: type[BaseModel | Table]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each field."""
    docstrings = [cleandoc(each.__dict__.get("__doc__") or "") for each in model.__mro__[::-1]]
    sections = [section for each in docstrings for section in Docstring(each).parse("google")]
    return {
        each.name: " ".join(each.description.split())
        for section in sections
        if section.kind is DocstringSectionKind.attributes
        for each in section.value
    }


def settings() -> str:
    """Return the page of the experiment file."""
    lines = [
        "# The experiment file",
        "",
        "Every table and key, made of what checks them. A key without a default must be there. The",
        "[ready experiments](experiments.md) are commented examples; an operator is its name, or a",
        'table with `name` and its settings: `mutation = { name = "gaussian", scale = 0.05 }`.',
    ]
    for title, model in TABLES:
        lines += ["", f"## {title}", "", "| key | kind | default | meaning |", "|---|---|---|---|"]
        meaning = explained(model)
        for name, annotation, default in keys(model):
            cells = map(_cell, (_kind(annotation), _shown(default), meaning[name]))
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _kind(annotation: Any) -> str:
    text = str(annotation) if not isinstance(annotation, type) else annotation.__name__
    text = re.sub(r"Annotated\[((?:[^\[\],]|\[[^\]]*\])+),.*?\](?=[,\s\]]|$)", r"\1", text)
    text = re.sub(r"\b(?:typing|workflow|apps)(?:\.[a-z_]+)*\.", "", text)
    text = re.sub(r"\b([A-Z]\w*)Spec\b", r"\1", text)
    text = re.sub(r"Literal\[(.*?)\]", lambda m: m[1].replace(", ", " or "), text)
    text = re.sub(r"^Optional\[(.*)\]$", r"\1", text.replace(" | None", ""))
    text = re.sub(r"dict\[str, (?:Any|JsonValue)\]", "table", text)
    text = re.sub(r"dict\[str, (.*)\]", r"table of \1", text)
    while text != (
        array := re.sub(r"(?:list|tuple)\[([^\[\]]+?)(?:, \.\.\.)?\]", r"array of \1", text)
    ):
        text = array
    return f"`{text.replace(' | ', ' or ')}`"


def keys(model: type[BaseModel | Table]) -> Iterator[tuple[str, Any, Any]]:
    """Yield a table's keys, each with its kind and its default; ... where it must be there."""
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            required = field.is_required()
            yield (
                name,
                field.annotation,
                ... if required else field.get_default(call_default_factory=True),
            )
        return
    hints = get_type_hints(model, include_extras=True)
    own = vars(model)["__annotations__"]  # those that it shares with others come after its own
    for item in sorted(fields(model), key=lambda each: each.name not in own):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        hint = hints[item.name]
        plain = hint.__origin__ if get_origin(hint) is Annotated else hint
        yield item.name, plain, ... if default is MISSING else default


def _shown(value: Any) -> str:
    if value is ...:
        return ""
    if value is None or value in ((), [], {}):
        return "none"
    if isinstance(value, BaseModel | Table):
        named = (getattr(value, name) for name, _, _ in keys(type(value)))
        value = next((each for each in named if isinstance(each, str)), "")
    if isinstance(value, bool | tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value}`" if value != "" else "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# -------------------------------------------------------------------------------------- command
def command() -> str:
    """Return the page of the command."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    lines = ["# The command", "", "Made of `heterosis --help` and of `heterosis COMMAND --help`."]
    for name, each in group.commands.items():
        context = click.Context(each, info_name=f"heterosis {name}")
        usage = " ".join(each.collect_usage_pieces(context))
        lines += [
            "",
            f"## {name}",
            "",
            f"`heterosis {name} {usage}`",
            "",
            cleandoc(each.help or ""),
        ]
        lines += ["", "| argument | default | meaning |", "|---|---|---|"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in _rows(each)]
    return "\n".join(lines) + "\n"


def _rows(each: Any) -> Iterator[tuple[str, str, str]]:
    for parameter in each.params:
        if parameter.name == "help":
            continue
        named = parameter.param_type_name == "option"
        names = parameter.opts if named else [parameter.metavar or parameter.name.upper()]
        default = parameter.default
        shown = "" if default in (None, False, ()) or callable(default) else f"`{default}`"
        help_text = " ".join((getattr(parameter, "help", "") or "").split())
        yield ", ".join(f"`{one}`" for one in names), shown, help_text


# ------------------------------------------------------------------------------ ready experiments
def experiments() -> str:
    """Return the page of the ready experiments: what stands above each, and the file."""
    lines = ["# Ready experiments", "", "`heterosis run NAME` runs one of these."]
    for path in sorted(READY.glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        rest = re.sub(r"\A(#.*\n)*", "", text).strip()
        lines += ["", f"## {path.stem}", "", about(path.stem), "", f"```toml\n{rest}\n```"]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------- reference
def reference(folder: Path) -> Contents:
    """Write a page for each module, and return their contents: a section a package."""
    packages = [path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py")]
    contents: Contents = []
    for place in sorted(packages, key=lambda each: (ROOMS.index(_dotted(each)[0]), each)):
        package = ".".join(_dotted(place))
        pages: Contents = []
        for path in sorted(place.glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if path.stem == "__main__" or ast.get_docstring(tree) is None:
                continue
            short = package if path.stem == "__init__" else path.stem
            name = package if path.stem == "__init__" else f"{package}.{path.stem}"
            text = _public() if name == heterosis.__name__ else f"::: {name}\n"
            write(folder, f"reference/{name}.md", f"# {name}\n\n{text}")
            pages.append({short: f"reference/{name}.md"})
        contents.append({package: pages})
    return contents


def _public() -> str:
    """Return what the package `heterosis` says, and where each name is explained."""
    lines = ["::: heterosis", "    options:", "      members: false", ""]
    lines += ["| name | explained at |", "|---|---|"]
    for name in heterosis.__all__:
        value = getattr(heterosis, name)
        if isinstance(value, ModuleType):
            lines.append(f"| `{name}` | [`{value.__name__}`]({value.__name__}.md) |")
        else:
            home = value.__module__
            lines.append(f"| `{name}` | [`{home}.{name}`]({home}.md#{home}.{name}) |")
    return "\n".join(lines) + "\n"


def _dotted(folder: Path) -> tuple[str, ...]:
    return folder.relative_to(ROOT).parts


def generate(folder: Path) -> Contents:
    """Write all pages into a folder and return the table of contents."""
    Documents().write(folder)
    for path in (ROOT / "docs").iterdir():
        if path.suffix in (".css", ".js", *PICTURES):
            write(folder, path.name, path.read_bytes())
    write(folder, "settings.md", settings())
    write(folder, "command.md", command())
    write(folder, "experiments.md", experiments())
    for page, text in gallery():
        write(folder, page, text)
    results = [{Path(page).stem: page} for page in PAGES.values() if "/" in page]
    return [
        {"heterosis": "index.md"},
        {"Tutorial": "tutorial.md"},
        {"Gallery": "gallery.md"},
        {"When not to use it": "when-not.md"},
        {"Coming from elsewhere": "coming-from.md"},
        {"Manual": "manual.md"},
        {"The experiment file": "settings.md"},
        {"Ready experiments": "experiments.md"},
        {"The command": "command.md"},
        {"Clusters": "clusters.md"},
        {"What you bring": "what-you-bring.md"},
        {"Errors": "errors.md"},
        {"Results": results},
        {"Architecture": "architecture.md"},
        {"Contributing": "contributing.md"},
        {"Changes": "changes.md"},
        {"Reference": reference(folder)},
    ]
