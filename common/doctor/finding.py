"""A line of the report that ``--doctor`` prints."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, WRONG = "ok", "note", "WRONG"


@dataclass(frozen=True)
class Finding:
    """One line, the command that mends what it says, and what it means if the service runs unmended.

    Only ``WRONG`` makes the installation unhealthy; ``means`` stands in the last line of the report too.
    """

    status: str
    text: str
    mend: str = ""
    means: str = ""

    def lines(self) -> str:
        meaning = f"; {self.means}" if self.means else ""
        return f"{self.status:<6} {self.text}{meaning}\n" + (f"       → {self.mend}\n" if self.mend else "")
