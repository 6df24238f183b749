"""What a page of a report holds, and settings of made-up runs."""

from __future__ import annotations

import html.parser


class Page(html.parser.HTMLParser):
    """Collects the tags, attributes and text of a page, and checks that tags are closed."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


SETTINGS = """name = "%s"
trials = 8
[network.params]
units = %s
[training]
metrics = ["accuracy", "auc"]
[[arms]]
name = "control"
halts = []
[[arms]]
name = "%s"
[[arms.halts]]
at = %s
"""
"""Of the run `quick` in small: its name, the units, an arm beside the control, its halt."""
