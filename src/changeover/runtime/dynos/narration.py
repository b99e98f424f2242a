"""The log lines about a dyno's state, in Heroku's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KILLED = 128 + 9
SHOWN_AS = {"STARTING": "starting", "RUNNING": "up", "STOPPING": "up", "BACKOFF": "crashed", "EXITED": "crashed",
            "FATAL": "crashed"}  # fmt: skip
"""Maps supervisord's states to those of `ps`. All others are `down`."""


@dataclass
class Narration:
    """One dyno's state as logged so far."""

    command: str
    waits_for_port: bool
    stop_s: int
    shown: str = "down"
    is_stopping: bool = False

    def tell(self, state: str, exit_code: int | None) -> Iterator[str]:
        """The lines for supervisord's event: STARTING, RUNNING, BACKOFF, STOPPING, EXITED, STOPPED or FATAL."""
        if state == "STARTING":
            yield from self._becomes("starting")
            yield f"Starting process with command `{self.command}`"
        elif state == "RUNNING" and not self.waits_for_port:
            yield from self._becomes("up")
        elif state == "STOPPING":
            self.is_stopping = True
            yield "Stopping all processes with SIGTERM"
        elif state in ("BACKOFF", "EXITED"):
            yield from self._ended(exit_code)
            yield from self._becomes("crashed")
        elif state == "FATAL":
            yield from self._becomes("crashed")
        elif state == "STOPPED":
            yield from self._stopped(exit_code)

    def listens(self) -> Iterator[str]:
        """The lines once it listens on its port."""
        yield from self._becomes("up")

    def boots_too_long(self, boot_s: float) -> Iterator[str]:
        """The lines when it doesn't listen in time, before it is killed."""
        yield (f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {boot_s:g} seconds of launch")
        yield "Stopping process with SIGKILL"

    def finished(self, exit_code: int) -> Iterator[str]:
        """The lines when a one-off has ended."""
        yield from self._ended(exit_code)
        yield from self._becomes("complete")

    def _stopped(self, exit_code: int | None) -> Iterator[str]:
        if self.is_stopping and exit_code == KILLED:
            yield (
                "Error R12 (Exit timeout) -> At least one process failed to exit within "
                f"{self.stop_s} seconds of SIGTERM"
            )
            yield "Stopping remaining processes with SIGKILL"
        if self.is_stopping:
            yield from self._ended(exit_code)
        self.is_stopping = False
        yield from self._becomes("down")

    def _ended(self, exit_code: int | None) -> Iterator[str]:
        if exit_code is not None:
            yield f"Process exited with status {exit_code}"

    def _becomes(self, state: str) -> Iterator[str]:
        if state != self.shown:
            yield f"State changed from {self.shown} to {state}"
        self.shown = state
