"""The one place where OpenVINO is imported."""

from __future__ import annotations

import sys
from typing import Any

from common.packages import import_or_explain


def openvino() -> Any:
    """The package, without what reports to its maker who uses it: that looks names up and writes into the home folder.

    Raises FatalError ``dependency_missing``.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not installed"
    return import_or_explain("openvino")
