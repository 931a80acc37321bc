"""The rows of `benchmarks/goals.py`, one question a module."""
