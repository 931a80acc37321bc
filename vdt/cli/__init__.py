"""The commands. The only room that prints, installs signal handlers or ends the process.

A Python that is too old is told so here, before anything is imported that it cannot read.
"""

import sys

OLDEST = (3, 9)
_GIVEN = tuple(sys.version_info[:2])

if _GIVEN < OLDEST:
    sys.stderr.write(
        "vizgen_data_transfer needs Python {}.{} or newer; this is Python {}.{}. Install a newer one, make the "
        "environment again with it and install vizgen_data_transfer there.\n".format(*(OLDEST + _GIVEN))
    )
    sys.exit(16)
