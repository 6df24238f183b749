"""The gallery of the documentation site: the ready experiments with figures of stored results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from analysis import notebook

ROOT: Final = Path(__file__).parents[1]
READY: Final = ROOT / "workflow" / "experiments"
STORED: Final = ROOT / "analysis" / "results"

FIGURES: Final = {
    "taught": {
        "improvements": "How much better than the control each arm's champion is: a dot is a "
        "trial, the diamond their mean, the bar its 95 % interval.",
        "loss_by_spent": "Loss over the network-epochs that an arm has spent.",
    },
    "taught_100": {
        "loss_by_spent": "The same at the poster's 100 epochs: loss over the network-epochs spent.",
    },
    "taught_512": {
        "improvements": "The same with four times as many hidden units, at 20 epochs.",
    },
    "poster": {
        "improvements": "The poster's crossovers and the free yardsticks.",
        "loss_curves": "The population's best member at each epoch.",
    },
    "cnn": {
        "improvements": "A convolutional network: the recipe, merges, and the free yardsticks."
    },
    "cnn_taught": {
        "improvements": "The recipe on that network beside yardsticks that were tuned for it.",
    },
    "search_mlp": {
        "anytime": "The best held-out loss at any time of nine strategies of search.",
        "crossings": "What took part in children, and what they gained on their better parent.",
        "size": "Loss against the number of weights: the networks that no other one beats in both.",
    },
    "search_decay": {
        "improvements": "The search with a falling rate in every arm: what its teaching adds.",
    },
    "search_cnn": {
        "improvements": "A search over convolutional networks: five trials, and what a falling "
        "rate brings for nothing.",
        "anytime": "The best held-out loss at any time.",
    },
    "relatives": {
        "improvements": "Merging relatives beside free alternatives, at equal network-epochs."
    },
    "strangers": {
        "damage_by_distance": "What a merge does before it trains, against how far apart the "
        "parents are: as they are, and aligned.",
    },
}
"""Which figures an experiment shows, each with its caption; the experiments in their order."""


def gallery() -> Iterator[tuple[str, str | bytes]]:
    """Yield the page of the gallery, and before it the figures that it shows."""
    lines = [
        "# Gallery",
        "",
        "The ready experiments, those with stored results first. Each is one command, and every",
        "figure here is one of its report, made of the tables in `analysis/results`.",
    ]
    ready = sorted(path.stem for path in READY.glob("*.toml"))
    for name in (*FIGURES, *(each for each in ready if each not in FIGURES)):
        lines += ["", f"## {name}", "", f"`heterosis run {name}`", "", about(name), ""]
        for figure, caption in FIGURES.get(name, {}).items():
            path = f"gallery/{name}-{figure}.svg"
            yield path, picture(name, figure)
            lines += [f"![{caption}]({path}){{ .figure }}", "", f"*{caption}*", ""]
        links = [f"[The file](experiments.md#{name})"]
        if (STORED / name / "README.md").is_file():
            links.append(f"[what was measured, in full](results/{name}.md)")
        lines.append(" · ".join(links))
    yield "gallery.md", "\n".join(lines) + "\n"


def about(name: str) -> str:
    """Return what stands above a ready experiment."""
    text = (READY / f"{name}.toml").read_text(encoding="utf-8")
    lines = re.match(r"(#.*\n)*", text)
    assert lines is not None
    return re.sub(r"^# ?", "", lines[0], flags=re.MULTILINE).strip()


def picture(name: str, figure: str) -> bytes:
    """Return a figure of stored results as SVG: the report's, or drawn of stored tables."""
    stored = STORED / name / "report" / "figures" / f"{figure}.svg"
    if stored.is_file():
        return stored.read_bytes()
    shown = getattr(notebook, figure)(notebook.open_results(STORED / name))
    assert isinstance(shown, notebook.Picture), shown
    return shown._repr_svg_().encode()
