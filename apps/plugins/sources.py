"""What a plug-in's results depend on: its source, its helpers', and the files that it names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from apps.errors import UserError
from apps.files import sha256, sha256_file
from apps.plugins.load import load_plugin, sources_loaded, sources_now


def plugin_sources(reference: str, search_path: str | None = None) -> dict[str, str]:
    """Return the SHA-256 of the files that a plug-in's code is in, by the files' names.

    The first is its module's own; the others are modules of the user's own that it imports, and
    that these import, in the order of their names. Packages that are installed are left to their
    versions. A module without a file has the digest of its name.
    """
    return sources_now(reference, search_path)


def plugin_digest(
    reference: str, search_path: str | None = None, files: Mapping[str, str] | None = None
) -> str:
    """Return one SHA-256 of a plug-in's sources.

    Args:
        reference: `"module:function"`.
        search_path: as `load_plugin` takes it.
        files: SHA-256 of further files that it depends on, by name, as `files_named` gives them.

    Returns:
        Where there is one file only, that of the file.
    """
    return digest_of({**plugin_sources(reference, search_path), **(files or {})})


def digest_of(sources: Mapping[str, str]) -> str:
    """Return one SHA-256 of sources: of one file that file's own."""
    if len(sources) == 1:
        return next(iter(sources.values()))
    return sha256(json.dumps(dict(sources), sort_keys=True).encode())


def joint_digest(digests: Iterable[str]) -> str:
    """Return one SHA-256 of the digests of several plug-ins, in their order."""
    return sha256("".join(digests).encode())


def files_named(
    reference: str, params: Mapping[str, Any], search_path: str | None = None
) -> dict[str, str]:
    """Return the SHA-256 of the files that a plug-in is known to read, by the names they go by.

    These are files that its settings name, and those that its function says in its attribute
    `files`, a list of paths. Paths begin at `search_path`.

    Raises:
        UserError: the attribute is no list of paths, or one of its files is not there.
    """
    function = load_plugin(reference, search_path)
    folder = Path(search_path or ".")
    declared = getattr(function, "files", ())
    if not isinstance(declared, list | tuple) or not all(
        isinstance(each, str | Path) for each in declared
    ):
        raise UserError(
            f'plug-in "{reference}": the attribute files of its function is a list of paths, got '
            f"{declared!r}",
            code="plugin-setting",
        )
    found = {}
    for each in (*map(str, declared), *_texts(params)):
        path = folder / os.path.expanduser(each)
        with suppress(OSError, ValueError):  # a text that can be no path
            if path.is_file():
                found[each] = sha256_file(path)
    if missing := [str(each) for each in declared if str(each) not in found]:
        raise UserError(
            f'plug-in "{reference}": its function says that it reads {missing[0]!r}, and there is '
            f"no such file in {folder.absolute()}",
            code="data-not-found",
        )
    return dict(sorted(found.items()))


def files_absent(params: Mapping[str, Any], search_path: str | None = None) -> list[str]:
    """Return the texts of a plug-in's settings that look like a file's path and are none.

    Which of them are paths is not known: these have an ending, or a folder.
    """
    folder = Path(search_path or ".")
    absent = []
    for each in _texts(params):
        path = Path(os.path.expanduser(each))
        with suppress(OSError, ValueError):  # a text that can be no path
            if (path.suffix or path.name != each) and not (folder / path).exists():
                absent.append(each)
    return sorted(set(absent))


def check_loaded(
    what: str, references: Iterable[str], digest: str, search_path: str | None = None
) -> None:
    """Check that plug-ins are loaded as they were when a run began.

    A file that was changed since it was loaded is none of this process's affair.

    Args:
        what: names them, for the message.
        references: the plug-ins.
        digest: of their sources: of one that of `plugin_digest`, of several the joint one; ""
            where none was taken.
        search_path: as `load_plugin` takes it.

    Raises:
        UserError: their sources are others.
    """
    if not digest:
        return
    loaded = [sources_loaded(each, search_path) for each in references]
    own = [next(iter(each.values())) for each in loaded]
    digests = [digest_of(each) for each in loaded]
    # Older runs know the module's own file alone.
    if digest not in (*own[:1], *digests[:1], joint_digest(own), joint_digest(digests)):
        files = ", ".join(dict.fromkeys(name for each in loaded for name in each))
        raise UserError(
            f"{what}: its source has changed since this run began ({files}); undo the change, or "
            "start over",
            code="plugin-changed",
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))
