"""What a company's working day costs the app and the flow that it replaces, on one trace, side by side.

Each has a process and simulators of its own, on virtual time, and starts from the same calendars. Changes happen at
their time, and so does the work on them: a change may meet an earlier one of its item that is still on its way. Both
must be shown the same notifications, each posted alone, because the text of the flow reads one; and when the day is
over, what the app has done must be right.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.calls import AppStage
from bench.company import Company
from bench.errors import MeasurementFailed
from bench.flow_stage import FlowStage
from bench.playing import Cost, Player, Stage
from bench.processes import open_pool
from bench.schedule import Schedule, enter, schedules_of
from bench.trace import Change
from bench.working_day import Moment, working_day_of
from local.dataverse.seed import status_id
from local.sample import build_sample
from tests.hosted_app import START

VISITS = 8
"""Of each technician, when the day begins."""

SWITCHES = {"batch": False}

_DAY = START.date() + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the day cost one of the two: in all, and its calls by kind."""

    cost: Cost
    graph: Mapping[str, int]
    dataverse: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """`sweep` is what one sweep of everything cost the app, when the day was over; `private` of the changes were."""

    mailboxes: int
    private: int
    ours: Spent
    sweep: Spent
    flow: Spent


def measure_days(sizes: Sequence[int]) -> list[Day]:
    """A day of as many mailboxes as each of `sizes` says. Raises `MeasurementFailed`."""
    with open_pool(2) as pool:
        # The largest first, and ours before the flow's, which takes less long
        running = {
            size: (pool.apply_async(spend_ours, (size,)), pool.apply_async(spend_flow, (size,)))
            for size in sorted(sizes, reverse=True)
        }
        spent = {size: (*ours.get(), flow.get()) for size, (ours, flow) in running.items()}
    return [_day(size, *spent[size]) for size in sizes]


def _day(mailboxes: int, ours: Spent, sweep: Spent, flow: Spent) -> Day:
    if ours.cost.notifications != flow.cost.notifications:
        raise MeasurementFailed(
            f"a day of {mailboxes} mailboxes: the app was shown {ours.cost.notifications} notifications, the flow "
            f"{flow.cost.notifications}"
        )
    _, _, day = _company(mailboxes)
    private = sum(moment.change.kind.is_private for moment in day)
    return Day(mailboxes=mailboxes, private=private, ours=ours, sweep=sweep, flow=flow)


def spend_ours(mailboxes: int) -> tuple[Spent, Spent]:
    """What the app spends on the day, and then on one sweep. Raises `MeasurementFailed` when it left work undone."""
    company, schedules, day = _company(mailboxes)
    stage = AppStage(SWITCHES, mailboxes=[one.mailbox_id for one in company.technicians])
    _populate(stage, company, schedules)

    async def spend() -> tuple[Spent, Spent]:
        await stage.start()
        meter = _Meter(stage)
        await _play(meter.player, stage, day)
        spent = meter.read()
        _check(stage, schedules)
        await stage.sweep()
        return spent, meter.read()

    return asyncio.run(spend())


def spend_flow(mailboxes: int) -> Spent:
    """What the flow spends on the day."""
    company, schedules, day = _company(mailboxes)
    stage = FlowStage(SWITCHES, START, technicians=company.technicians)
    _populate(stage, company, schedules)

    async def spend() -> Spent:
        await stage.start()
        meter = _Meter(stage)
        await _play(meter.player, stage, day)
        return meter.read()

    return asyncio.run(spend())


def _company(mailboxes: int) -> tuple[Company, list[Schedule], list[Moment]]:
    company = Company.of(mailboxes, visits=VISITS)
    schedules = schedules_of(company, build_sample(START.date()), _DAY)
    return company, schedules, working_day_of(schedules, _DAY)


def _populate(stage: AppStage | FlowStage, company: Company, schedules: Sequence[Schedule]) -> None:
    enter(schedules, company, build_sample(START.date()), stage.graph.world, stage.dataverse.world)


class _Meter:
    """Reads what a stage, which has been started, has spent since the last reading."""

    def __init__(self, stage: Stage[Change]) -> None:
        self._stage = stage
        self.player = Player(stage)
        self._before = self._calls()

    def read(self) -> Spent:
        calls = self._calls()
        graph, dataverse = (now - before for now, before in zip(calls, self._before, strict=True))
        self._before = calls
        return Spent(cost=self.player.read_meter(), graph=dict(graph), dataverse=dict(dataverse))

    def _calls(self) -> tuple[Counter[str], Counter[str]]:
        stage = self._stage
        return stage.graph.switchboard.calls["app"].copy(), stage.dataverse.switchboard.calls["app"].copy()


async def _play(player: Player[Change], stage: Stage[Change], day: Sequence[Moment]) -> None:
    """Make each change at its time; what is made during the day gets its id then."""
    made: dict[str, str] = {}
    for moment in day:
        await stage.pass_time(moment.at)
        change = moment.change
        if change.event_id is not None:
            change = replace(change, event_id=made.get(change.event_id, change.event_id))
        event = await player.make(change)
        if moment.makes is not None:
            made[moment.makes] = event["id"]
    await stage.settle()


def _check(stage: AppStage, schedules: Sequence[Schedule]) -> None:
    """Each booking has its event's times; those without an event are cancelled. Raises `MeasurementFailed`."""
    world, rows = stage.graph.world, stage.dataverse.world.rows("bookableresourcebooking")
    for schedule in schedules:
        events = world.list_events(world.mailboxes[schedule.technician.mailbox_id])
        start_of = {event.immutable_id: event.start_at for event in events}
        for visit in schedule.visits:
            booking = rows[visit.booking_id].values
            is_cancelled = booking["bookingstatus"] == status_id("Canceled")
            booked_at = None if is_cancelled else booking["starttime"]
            if booked_at != start_of.get(visit.event_id):
                raise MeasurementFailed(
                    f"{visit.name} is booked at {booked_at}, but its event is at {start_of.get(visit.event_id)}"
                )
