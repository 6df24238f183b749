"""Settings of a stored run under the names that they have today."""

from __future__ import annotations

from apps.messages.specs import FORMER_KEYS


def present_key(key: str) -> str:
    """Return the dotted key of a stored experiment as it is called today.

    >>> present_key("arms.mean.halts.1.search.rate")
    'arms.mean.halts.1.search.mutation_rate'
    >>> present_key("network.params.rate")
    'network.params.rate'
    """
    *path, last = key.split(".")
    tables = [part for part in path if not part.isdigit()]
    former = FORMER_KEYS.get(tables[-1], {}) if tables[:1] == ["arms"] else {}
    return ".".join([*path, former.get(last, last)])
