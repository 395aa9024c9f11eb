"""`python -m checkvalve.cli`, as the supervisor starts its children."""

import sys

from checkvalve.cli.main import run

sys.exit(run())
