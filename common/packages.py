"""Packages that may be missing: imported when they are needed, and named with the command that installs them."""

from __future__ import annotations

import importlib
from typing import Any

from common.errors import FatalError, describe

INSTALL = "pip install -r requirements.txt"


def import_or_explain(package: str) -> Any:
    """The package, or FatalError ``dependency_missing`` with the command that installs it."""
    try:
        return importlib.import_module(package)
    except Exception as error:  # a broken package raises anything at all
        raise FatalError("dependency_missing", describe(error, INSTALL)) from error
