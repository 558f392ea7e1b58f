"""`python -m tune.report RUN`."""

import sys

from tune.report.writer import main

if __name__ == "__main__":
    sys.exit(main())
