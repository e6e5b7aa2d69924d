"""What the process is doing: one value, changed in one place. Whoever wants to know asks here."""

from __future__ import annotations

import threading
import uuid

from common.wire.events import Details, EndReason, State, Status

HEARING = (State.READY, State.LISTENING, State.PAUSED, State.RECOVERING)  # the loop runs, and does what is asked of it


class RunState:
    """``now`` is the state. Status events, the answer to ``core.control.status``, what a signal does and what an end
    is called all follow from it, so they cannot contradict each other.

    Hold ``lock`` to act on the state from another thread: it does not change meanwhile.
    """

    def __init__(self, now: State = State.LOADING) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.stop_asked = threading.Event()  # by a signal or a command: from then on everything ends within 2 s

    def become(self, state: State, details: Details = ()) -> list[Status]:
        """Change the state. Returns the status event to print: none if the state is not a new one, or if the process
        has stopped already."""
        with self.lock:
            if state is self.now or self.now is State.STOPPED:
                return []
            self.now = state
            return [Status(uuid.uuid4().hex, state, details)]

    @property
    def serves(self) -> bool:
        """Whether the loop runs: only then can an utterance be finalised."""
        return self.now in HEARING

    def end_reason(self, otherwise: EndReason) -> EndReason:
        """What the end of an utterance is called: ``otherwise``, unless the whole process is about to end."""
        return EndReason.SHUTDOWN if self.stop_asked.is_set() else otherwise
