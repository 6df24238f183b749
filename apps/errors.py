"""The errors of the project: every one states the rule, what was received, and the next step."""


class HeterosisError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user."""


class UserError(HeterosisError):
    """Wrong input (file, option, plug-in, data): ends a command with exit code 2."""
