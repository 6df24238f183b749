"""The figure of metrics beside the loss: a panel each, whatever they are called."""

from __future__ import annotations

from analysis.figures.metrics import metric_pictures
from analysis.statistics.metrics import measured
from analysis.statistics.overview import overview
from tests.analysis.statistics.test_metrics import with_metrics


def test_every_metric_has_a_panel(tables):
    odd = "$x$ of {a}"
    given = with_metrics(tables, auc=lambda loss: 1 - loss, **{odd: lambda loss: 3 * loss})
    found = measured(given, {"metrics": ["auc"]})
    assert found is not None
    (picture,) = metric_pictures(found, overview(given))
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in picture.wide.axes]
    assert [title for title in titles if title] == ["accuracy", "auc", odd]
    assert odd in picture.alternative
    assert f"Of {odd} it is the members' mean." in picture.caption
    drawn = picture.wide.axes[1].get_lines()
    assert len([line for line in drawn if not line.get_label().startswith("_")]) == 5
    assert "<svg" in picture.documents["narrow"]


def test_metrics_that_no_epoch_recorded_are_not_drawn(tables):
    trials = tables["trials"].assign(test_mse=0.25, train_mse=0.2)
    trials = trials.assign(test_accuracy=float("nan"))
    found = measured({**tables, "trials": trials})
    assert found is not None
    assert found.names == ("mse",)
    assert metric_pictures(found, overview(tables)) == []
