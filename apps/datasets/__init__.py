"""Data by name or from a user's function: read, checked, split by seed, in arrays or batches."""
