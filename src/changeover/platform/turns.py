"""Turns: limits how much of a resource an account may use at the same time, so that the rest is left for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from changeover.errors import ChangeoverError


@dataclass
class _Share:
    """The turns of one account. Removed once no request holds or awaits one."""

    users: int = 0
    held: int = 0
    has_first: bool = False


@dataclass
class _Waiting:
    share: _Share
    turn: asyncio.Future[bool]


@dataclass
class Turns:
    """At most `most_of_account` per account. Each account has one turn of its own. All further ones share `most`.

    So colluding accounts can't use what the first request of another account needs. Of the waiting requests, the one whose
    account holds the fewest turns is next. It waits at most `patience_s`.
    """

    most_of_account: int
    most: int
    patience_s: float
    refusal: Callable[[int], ChangeoverError]
    most_waiting: int = 1000
    """Per account. Further requests are refused immediately, because a waiting request holds a connection."""
    _further: int = 0
    _shares: dict[UUID, _Share] = field(default_factory=dict)
    _waiting: list[_Waiting] = field(default_factory=list)

    @asynccontextmanager
    async def taken_by(self, account: UUID) -> AsyncIterator[None]:
        """Raises the refusal if no turn is available in time."""
        share = self._shares.setdefault(account, _Share())
        if share.users >= self.most_of_account + self.most_waiting:
            raise self.refusal(self.most_of_account)
        share.users += 1
        try:
            is_first = await self._wait(share)
            try:
                yield
            finally:
                self._give_back(share, is_first)
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[account]

    async def _wait(self, share: _Share) -> bool:
        """Whether the turn is the account's own one. Raises the refusal."""
        if self._is_free_for(share):
            return self._take(share)
        one = _Waiting(share, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        try:
            async with asyncio.timeout(self.patience_s):
                return await one.turn
        except BaseException as ended:
            if one in self._waiting:
                self._waiting.remove(one)
            elif not one.turn.cancelled():  # it got the turn at the moment it gave up
                self._give_back(share, one.turn.result())
            if isinstance(ended, TimeoutError):
                raise self.refusal(self.most_of_account) from None
            raise

    def _is_free_for(self, share: _Share) -> bool:
        return share.held < self.most_of_account and (not share.has_first or self._further < self.most)

    def _take(self, share: _Share) -> bool:
        share.held += 1
        if share.has_first:
            self._further += 1
            return False
        share.has_first = True
        return True

    def _give_back(self, share: _Share, is_first: bool) -> None:
        share.held -= 1
        if is_first:
            share.has_first = False
        else:
            self._further -= 1
        while ready := [one for one in self._waiting if self._is_free_for(one.share) and not one.turn.done()]:
            chosen = min(ready, key=lambda one: one.share.held)
            self._waiting.remove(chosen)
            chosen.turn.set_result(self._take(chosen.share))
