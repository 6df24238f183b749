"""A run on disk: opened, locked, tabulated, replayed, cleaned, asked for predictions."""
