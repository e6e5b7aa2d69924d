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


def unexpected(error: Exception) -> FatalError:
    """What an exception that nobody expected ends the service with: ``dependency_missing`` where a package is not
    there or does not load, wherever it was imported; else ``internal_error``."""
    if isinstance(error, ImportError) and not (error.name or "").startswith("common"):
        return FatalError("dependency_missing", describe(error, INSTALL))
    return FatalError("internal_error", describe(error, "--log-level debug prints where; please report it"))
