"""The built-in networks."""

from __future__ import annotations

from apps.messages.specs import NetworkSpec, TrainingSpec
from apps.networks.build import (
    build,
)
from apps.networks.builders import BUILDERS
from tests.support.built import made


def test_the_posters_network_is_the_default() -> None:
    model = made(NetworkSpec("two_layer_dense"))
    assert [weight.shape for weight in model.weights] == [(784, 128), (128,), (128, 10), (10,)]
    assert [layer.name for layer in model.layers] == ["flatten", "hidden", "output"]
    assert not BUILDERS["two_layer_dense"]().compiled


def test_outputs_of_numbers_are_linear() -> None:
    facts = {"input_shape": (8, 8), "classes": 1}
    for name in BUILDERS:
        model = build(NetworkSpec(name, {"output": "linear"}), TrainingSpec(32), 0, facts)
        assert model.output_shape == (None, 1)
        assert model.layers[-1].activation.__name__ == "linear"
        model = build(NetworkSpec(name), TrainingSpec(32), 0, facts)
        assert model.layers[-1].activation.__name__ == "softmax"


def test_recurrent_layers_have_widths_of_their_own() -> None:
    facts = {"input_shape": (6, 2), "classes": 3}
    for params in ({"units": [5, 4]}, {"units": [5, 4], "depth": 2, "dropout": 0.1}):
        model = build(NetworkSpec("lstm", params), TrainingSpec(32), 0, facts)
        kernels = [w.shape for w in model.weights if w.name == "recurrent_kernel"]
        assert kernels == [(5, 20), (4, 16)]
