"""The release, as ``--version`` prints it."""

from __future__ import annotations

VERSION = "0.1.0"
