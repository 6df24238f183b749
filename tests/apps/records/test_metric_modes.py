"""Directions of metrics: Keras's by name, as Keras has them; of others nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from apps.records.metric_modes import keras_mode, mode_of


def keras_names() -> dict[str, Any]:
    from keras.src import metrics

    return {name: found for name, found in metrics.ALL_OBJECTS_DICT.items() if found is not None}


def test_directions_are_kerass_own() -> None:
    """Of every name that Keras takes, and of the name that such a metric has of its own."""
    needed = {
        "precision_at_recall": {"recall": 0.5},
        "recall_at_precision": {"precision": 0.5},
        "sensitivity_at_specificity": {"specificity": 0.5},
        "specificity_at_sensitivity": {"sensitivity": 0.5},
        "io_u": {"num_classes": 2, "target_class_ids": [0]},
        "mean_io_u": {"num_classes": 2},
        "one_hot_io_u": {"num_classes": 2, "target_class_ids": [0]},
        "one_hot_mean_io_u": {"num_classes": 2},
    }
    import keras

    checked = set()
    for name, kind in keras_names().items():
        settings = needed.get(keras.src.utils.naming.to_snake_case(kind.__name__), {})
        try:
            made = kind(**settings)
        except TypeError:
            continue  # Mean's and others' bases, which take a function
        ours = {"up": "max", "down": "min"}.get(getattr(made, "_direction", ""))
        if ours is None:
            continue
        checked.add(kind.__name__)
        assert keras_mode(name) == ours, name
        own = made.name.rstrip("0123456789").removesuffix("_")
        assert keras_mode(own) == ours, made.name
    assert len(checked) > 30


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_what_keras_chooses_by_the_outputs_is_known(name: str) -> None:
    assert keras_mode(name) == "max"


@pytest.mark.parametrize("name", ["profit", "neg_auc", "negative_accuracy", "my_loss", "", "sum"])
def test_of_other_names_nothing_is_guessed(name: str) -> None:
    assert keras_mode(name) is None
    assert mode_of(name, {}) is None


def test_a_function_of_the_users_own_is_not_kerass_whatever_it_is_called() -> None:
    training = {"metrics": ["mine:auc", "recall"], "loss": "mine:loss"}
    assert mode_of("auc", training) is None
    assert mode_of("recall", training) == "max"
    assert mode_of("loss", training) == "min"
    assert mode_of("loss", {"metrics": ["mine:loss"]}) == "min"


def test_metrics_of_several_outputs_have_the_outputs_name_before_them() -> None:
    training = {
        "metrics": {"a": ("auc",), "a_b": ("mine:gain", "mae")},
        "loss": {"a": "mse", "c": "mse"},
    }
    assert mode_of("a_auc", training) == "max"
    assert mode_of("a_b_mae", training) == "min"
    assert mode_of("c_loss", training) == "min"
    assert mode_of("a_b_gain", training) is None
    assert mode_of("d_auc", training) is None
