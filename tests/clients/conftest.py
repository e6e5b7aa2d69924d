"""clients/ need Python 3.9, and these tests a pseudo-terminal."""

import sys

if sys.version_info < (3, 9) or sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
