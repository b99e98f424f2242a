"""Path parameters with the bounds of the columns that they are compared with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

RunNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="The number of a run")]
