"""The ``apse`` command: a thin layer that reads arguments, calls the engine and prints."""

from streams.cli.app import main

__all__ = ["main"]
