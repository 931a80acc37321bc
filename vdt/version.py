"""The version, alone in a module so that reading it imports nothing (importlib.metadata costs 54 ms at start-up)."""

__version__ = "2.0.0"
