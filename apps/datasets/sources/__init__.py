"""Data of the user's own files, and made ones, by built-in names: one module a kind."""
