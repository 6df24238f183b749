"""The mathematics of breeding networks: NumPy and SciPy only, no input or output."""
