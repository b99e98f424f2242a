"""The control plane that is there to be broken."""

from tests.changeovers.fix_crashes import ground

__all__ = ["ground"]
