"""Pages for a browser: markup, style, plots and remedies. Pure: values in, text out; no script, nothing loaded."""
