"""Exceptions that users catch by name."""


class EnvironmentNotFoundError(Exception):
    """A configuration names a variable of the environment that is not set."""
