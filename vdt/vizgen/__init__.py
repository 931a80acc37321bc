"""The facility's workflow: the three trees of a run, its configuration, counts, mail and verdict."""
