"""The experiment file: read, checked once, completed with every default, then passed on."""
