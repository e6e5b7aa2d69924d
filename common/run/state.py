"""What the process is doing: one value, changed in one place. Whoever wants to know asks here."""

from __future__ import annotations

import threading
import uuid

from common.wire.events import Details, EndReason, State, Status

HEARING = (State.READY, State.LISTENING, State.PAUSED, State.RECOVERING)  # what is asked of the loop, it does


class RunState:
    """``now`` is the state. Status events, the answer to ``core.control.status``, what a signal does and what an end
    is called all follow from it, so they cannot contradict each other.

    ``lock`` keeps the state as it is for whoever must act on it from another thread.
    """

    def __init__(self, now: State = State.LOADING) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.stop_asked = threading.Event()  # by a signal or a command: from then on everything ends within 2 s

    def become(self, state: State, details: Details = ()) -> list[Status]:
        """Change the state. Returns what is to be told of it: nothing where it has not changed, or where the process
        has stopped already."""
        with self.lock:
            if state is self.now or self.now is State.STOPPED:
                return []
            self.now = state
            return [Status(uuid.uuid4().hex, state, details)]

    @property
    def serves(self) -> bool:
        """Whether the loop runs: before that nobody can finalise anything."""
        return self.now in HEARING

    def end_reason(self, otherwise: EndReason) -> EndReason:
        """What the end of an utterance is called: ``otherwise``, unless the whole process is about to end."""
        return EndReason.SHUTDOWN if self.stop_asked.is_set() else otherwise
