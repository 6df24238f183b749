"""A trial in small, before a run begins: what would fail on the workers fails here."""
