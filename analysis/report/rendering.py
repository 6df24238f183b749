"""Pages from the templates beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from analysis.figures import drawing
from analysis.figures.picture import Picture

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


def element(picture: Picture) -> dict[str, object]:
    """Return a figure as the template takes it."""
    elements = {
        form: Markup(  # the SVG is ours, and its texts are paths; the label is escaped by `inline`
            drawing.inline(document, f"{picture.name}-{form}", picture.alternative)
        )
        for form, document in picture.documents.items()
    }
    return {
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "folded": picture.folded,
        **elements,
    }
