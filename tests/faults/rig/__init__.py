"""Copies over a real file system that breaks on command, seen from outside only. Slow: `python -m pytest -m slow`."""
