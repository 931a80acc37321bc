"""For the whole suite."""

from __future__ import annotations

import signal

# what is started in the background (`pytest &`) is deaf to Ctrl-C, and so would be every command that a test starts
signal.signal(signal.SIGINT, signal.default_int_handler)
