"""`python -m tapehead` is the command `tapehead`."""

import sys

from tapehead.cli import main

sys.exit(main())
