"""`python -m vdt` is `vdt`."""

import sys

from vdt.cli.main import main

sys.exit(main())
