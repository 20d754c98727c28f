"""`python -m meshsim` is `meshsim`."""

import sys

from meshsim.cli.main import run

sys.exit(run())
