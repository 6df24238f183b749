"""A run's note and tags: for people, in no fingerprint, changed whenever the run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.errors import UserError
from apps.records.environment import read_environment
from apps.records.run_dir import RunDir


@dataclass(frozen=True)
class Labels:
    """What somebody has said of a run.

    Attributes:
        note: a line; "" for none.
        tags: words to find it by.
    """

    note: str = ""
    tags: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Both in a line; "" where there is neither."""
        tags = f"[{', '.join(self.tags)}]" if self.tags else ""
        return f"{self.note} {tags}".strip()

    def written(self) -> dict[str, Any]:
        """Return the labels as entries of `environment.json`; empty without any."""
        note = {"note": self.note} if self.note else {}
        return note | ({"tags": [*self.tags]} if self.tags else {})


def read_labels(run: RunDir) -> Labels:
    """Return the labels of a run; none where its record has none, or cannot be read."""
    recorded = read_environment(run)
    try:
        return Labels(str(recorded.get("note", "")), tuple(map(str, recorded.get("tags", []))))
    except TypeError:
        return Labels()


def relabelled(before: Labels, note: str | None, tags: Iterable[str] | None) -> Labels:
    """Return labels with what was asked in place of what was there.

    Args:
        before: what was there.
        note: the new note, "" for none; None keeps the old one.
        tags: the new tags in place of all old ones, a single "" for none; None, or no tag at all,
            keeps the old ones.

    Raises:
        UserError: a note has several lines, or a tag is no word.

    >>> relabelled(Labels("first", ("a",)), "second", None)
    Labels(note='second', tags=('a',))
    """
    if note is not None and len(note.splitlines()) > 1:
        raise UserError(f"--note {note!r}: a note is one line", code="command-option")
    asked = list(dict.fromkeys(tags or ()))
    for tag in asked if asked != [""] else ():
        if not tag or "," in tag or tag != "".join(tag.split()):
            raise UserError(
                f"--tag {tag!r}: a tag is one word without blanks and commas; give --tag again for "
                "each, and --note for a sentence",
                code="command-option",
            )
    return Labels(
        before.note if note is None else note.strip(),
        tuple(tag for tag in asked if tag) if asked else before.tags,
    )
