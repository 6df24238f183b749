"""What a Keras model is made of: its symmetries, and how it grows or shrinks.

`symmetries` walks through a model's layers by the rules of `layer_symmetries` and finds which units
may be permuted; `morphable` does the same by `layer_functions` for a change of architecture. Users
make layers of their own known by `register_layer`.
"""

from apps.architecture.register import register_layer

__all__ = ["register_layer"]
