import sys

from tapehead.cli import main

sys.exit(main())
