"""Pages from the templates beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2

TEMPLATES: Final = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """Fill in a template; every value is escaped, a missing one is an error."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(**values)
