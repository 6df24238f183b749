"""Networks by name or from a user's function: built from a seed, compiled with Keras."""
