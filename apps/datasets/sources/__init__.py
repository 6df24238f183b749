"""Built-in readers of files, and computed data sets: one module per kind."""
