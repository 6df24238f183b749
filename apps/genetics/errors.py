"""The error of the core: a bad argument, told as rule, received value and next step."""

from apps.errors import Code, HeterosisError


class GeneticsError(HeterosisError, ValueError):
    """An argument that breaks a rule of the genetics functions."""

    code: Code = "operator"
