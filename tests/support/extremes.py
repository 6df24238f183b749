"""A metric of two numbers by name: the plug-in `"tests.support.extremes:Extremes"`."""

from __future__ import annotations

from typing import Any

import keras


class Extremes(keras.metrics.Metric):
    """The lowest and the highest output."""

    def __init__(self, name: str = "extremes") -> None:
        """Begin with none."""
        super().__init__(name=name)
        self.low = self.add_variable((), initializer="zeros", name="low")
        self.high = self.add_variable((), initializer="zeros", name="high")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch."""
        self.low.assign(keras.ops.minimum(self.low, keras.ops.min(y_pred)))
        self.high.assign(keras.ops.maximum(self.high, keras.ops.max(y_pred)))

    def result(self) -> dict[str, Any]:
        """Both."""
        return {"lowest": self.low, "highest": self.high}
