"""How fast one process calls a service that limits calls within a sliding window: as fast as it can, until refused.

Each process learns its share by itself, since instances know nothing of each other: when the service refuses, all of
them together have used up the window, and what this one was served in it is its share. From then on it stays a little
below that share, and tries more only after a long time without refusals, since what one process tries is answered by
refusals to all. A share that is hardly used any more is forgotten. What Dataverse tells of calls left is for debugging
only, and a fixed rate would be wrong where an environment has several web servers (Dataverse documentation, "Service
protection API limits": let the server tell how much it can handle, and obey `Retry-After`).
"""

from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from sync.adapters.at_once import AtOnce
from sync.core.errors import Throttled
from sync.service.ports import Clock, Sleep

WINDOW = timedelta(minutes=5)
"""Over which Dataverse counts (Dataverse documentation, "Service protection API limits")."""

LONGEST_WAIT_FOR_A_TURN = timedelta(seconds=4)
"""A turn that is further away is not waited for in place."""

_LONGEST_TOLD = timedelta(minutes=10)
"""A turn that is still further away is asked for anew: by then there may be room."""

_LOWERED = 0.97
"""Of the share that was too much, what is used at first."""

_SMALLEST_SHARE = 80
"""Calls in a window. With fewer, work that needs two calls in a row would never get its second turn in place."""

_HARDLY_ANY = 60
"""Calls in a window. Who made fewer has not used it up: that it is refused is others' doing, or passing trouble."""

_YOUNG = timedelta(minutes=1)
"""The age below which a process has no history to tell its share by."""

_SHARE_OF_THE_YOUNG = 300
"""Calls in a window, to begin with; it is halved when that is too much, and soon more is tried."""

_ALL_SHARES = 6_000
"""Calls in a window that Dataverse allows unless told otherwise: so many shares like ours there are."""

_OTHERS_REFUSAL = timedelta(seconds=1)
"""Allowed for each of the others, who are refused meanwhile: the wait grows with every call that is made during it."""

_PATIENCE = 1.5
"""By how much longer than told to wait at each further refusal in a row, up to `_LONGEST_PATIENCE` of them."""

_LONGEST_PATIENCE = 6

_PROBED_AFTER = timedelta(minutes=30)
"""Without a refusal, until the whole of a share is tried again; from then on ever more, since others may be gone."""

_PROBE_DOUBLES_IN = timedelta(minutes=1)

_MOST_DOUBLINGS = 20
"""By then there is no distance to speak of."""


class Pace:
    """Turns to call one service as one user. Costs nothing until the service refuses for the first time."""

    def __init__(self, *, clock: Clock, sleep: Sleep, most_at_once: int, crowd_codes: Collection[str]) -> None:
        """`crowd_codes` are those of refusals whose reason is no window, but that too many calls are under way."""
        self._at_once = AtOnce(most_at_once, clock=clock)
        self._clock = clock
        self._sleep = sleep
        self._crowd_codes = crowd_codes
        self._served_at: deque[datetime] = deque()
        self._began_at = clock()
        self._share: float | None = None
        self._is_guessed = False
        self._refusals = 0
        self._refused_at = self._closed_until = self._next_turn_at = self._told_at = datetime.min.replace(tzinfo=UTC)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Inside, one call may be made. Raises `Throttled` with the seconds to the next turn when that is not soon.

        The place comes before the turn: whoever waits for a place must see what those who have one are told.
        """
        async with self._at_once:
            await self._wait_for_turn()
            yield

    async def _wait_for_turn(self) -> None:
        at = self._take_turn()
        if (seconds := (at - self._clock()).total_seconds()) > 0:
            await self._sleep(seconds)
        if self._closed_until > at:  # The service has refused somebody else meanwhile.
            await self._wait_for_turn()

    def learn(self, outcome: object) -> bool:
        """Note what a call came to: an answer, or an error. Whether a refusal tells when the next turn is."""
        now = self._clock()
        while self._served_at and self._served_at[0] <= now - WINDOW:
            self._served_at.popleft()
        if not isinstance(outcome, Throttled) or outcome.status != 429:
            self._served_at.append(now)
            self._refusals = 0
            self._forget_unused_share(now)
            return False
        is_crowded = outcome.code.lower() in self._crowd_codes
        if is_crowded:
            self._at_once.lessen()
        if outcome.retry_after_seconds is None:
            return False
        wait = timedelta(seconds=outcome.retry_after_seconds)
        if is_crowded or now < self._closed_until:
            # No window is its reason, or it answers a call that was under way at the first refusal: wait, that is all.
            self._closed_until = max(self._closed_until, now + wait)
        else:
            self._note_refusal(now, wait)
        return True

    def _forget_unused_share(self, now: datetime) -> None:
        is_open_since = max(self._refused_at, self._closed_until)
        if self._share is not None and now - is_open_since >= WINDOW and len(self._served_at) < self._share / 2:
            self._share = None

    def _note_refusal(self, now: datetime, wait: timedelta) -> None:
        is_idle = self._share is None and len(self._served_at) < _HARDLY_ANY and now - self._began_at >= _YOUNG
        if is_idle:
            # It is enough to do what the service asks for.
            self._closed_until = max(self._closed_until, now + wait)
            return
        self._share = self._learned_share(now)
        others = _ALL_SHARES / self._share
        self._closed_until = max(self._closed_until, now + wait * _PATIENCE**self._refusals + others * _OTHERS_REFUSAL)
        self._refusals = min(self._refusals + 1, _LONGEST_PATIENCE)
        self._refused_at = now

    def _learned_share(self, now: datetime) -> float:
        if self._share is not None and self._refusals:
            return self._share  # Nothing was served since the last refusal.
        if self._share is None or now - self._refused_at >= WINDOW:
            self._is_guessed = now - self._began_at < _YOUNG
            return _SHARE_OF_THE_YOUNG if self._is_guessed else max(len(self._served_at), _SMALLEST_SHARE)
        # What was served since the last refusal is no whole window's.
        return max(self._share * (0.5 if self._is_guessed else _LOWERED), _SMALLEST_SHARE)

    def _take_turn(self) -> datetime:
        now = self._clock()
        distance = self._distance(now)
        at = max(now, self._next_turn_at, self._closed_until)
        if at - now > LONGEST_WAIT_FOR_A_TURN:
            # Whoever is sent away is told a moment of his own: all of them at once would be too many again.
            self._told_at = min(max(self._told_at, at) + distance, max(at, now + _LONGEST_TOLD))
            wait_seconds = (self._told_at - now).total_seconds()
            raise Throttled("Our share of the calls is used up.", retry_after_seconds=wait_seconds)
        self._next_turn_at = at + distance
        return at

    def _distance(self, now: datetime) -> timedelta:
        """Between two turns."""
        if self._share is None:
            return timedelta()
        doublings = (now - self._refused_at - (timedelta() if self._is_guessed else _PROBED_AFTER)) / _PROBE_DOUBLES_IN
        return WINDOW / (self._share * (_LOWERED + (1 - _LOWERED) * 2 ** min(doublings, _MOST_DOUBLINGS)))
