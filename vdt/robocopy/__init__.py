"""Robocopy's dialect: its options, file classes, log, summary and exit codes. Pure: values in, text out."""
