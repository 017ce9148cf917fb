"""What stands in the calendars of a company before its day begins: visits that both sides know, and private events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bench.company import Company
from local.dataverse.schema import Value
from local.dataverse.seed import event_hash, status_id
from local.dataverse.world import Author, DataverseWorld
from local.graph.seed import seed
from local.graph.world import GraphWorld
from local.sample import PrivateEvent, Sample, SampleBooking, Technician, WorkOrder

PRIVATE_EVENTS = 6
"""Of each technician."""

_VISITS_A_DAY = 4
_FIRST_HOUR = 7
"""Of a day, in UTC; a visit begins every three hours and lasts one, a private event begins an hour after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The visits and private events of one technician, from tomorrow on."""

    technician: Technician
    visits: tuple[SampleBooking, ...]
    private_events: tuple[PrivateEvent, ...]


def schedules_of(company: Company, sample: Sample, today: date) -> list[Schedule]:
    """One for each technician. The sample lends its work orders."""
    return [_schedule(technician, company.visits, sample.work_orders, today) for technician in company.technicians]


def enter(
    schedules: Sequence[Schedule], company: Company, sample: Sample, graph: GraphWorld, dataverse: DataverseWorld
) -> None:
    """Put the company and its schedules into both worlds, whose sample company loses its bookings."""
    company.employ(dataverse)
    author = Author(user_id=dataverse.users["person"])
    for replaced in sample.bookings:
        dataverse.delete("bookableresourcebooking", replaced.booking_id, author)
    visits = tuple(visit for schedule in schedules for visit in schedule.visits)
    for visit in visits:
        dataverse.create("bookableresourcebooking", _row(visit), author, visit.booking_id)
    calendars = Sample(
        technicians=company.technicians,
        work_orders=sample.work_orders,
        bookings=visits,
        private_events=tuple(event for schedule in schedules for event in schedule.private_events),
    )
    seed(graph, calendars, meetings=())


def _schedule(technician: Technician, visits: int, orders: tuple[WorkOrder, ...], today: date) -> Schedule:
    starts = [_start(number, today) for number in range(max(visits, PRIVATE_EVENTS))]
    hour = timedelta(hours=1)
    return Schedule(
        technician=technician,
        visits=tuple(
            SampleBooking(
                technician=technician,
                work_order=orders[number % len(orders)],
                name=f"{technician.name}: visit {number}",
                start_at=at,
                end_at=at + hour,
            )
            for number, at in enumerate(starts[:visits])
        ),
        private_events=tuple(
            PrivateEvent(technician=technician, subject=f"Private {number}", start_at=at + hour, end_at=at + 2 * hour)
            for number, at in enumerate(starts[:PRIVATE_EVENTS])
        ),
    )


def _start(number: int, today: date) -> datetime:
    day, turn = divmod(number, _VISITS_A_DAY)
    return datetime.combine(today + timedelta(days=1 + day), time(_FIRST_HOUR + 3 * turn), UTC)


def _row(visit: SampleBooking) -> dict[str, Value]:
    assert visit.work_order is not None, "every visit has one"
    return {
        "name": visit.name,
        "starttime": visit.start_at,
        "endtime": visit.end_at,
        "duration": int((visit.end_at - visit.start_at).total_seconds() // 60),
        "bookingstatus": status_id(visit.status),
        "resource": visit.technician.resource_id,
        "msdyn_workorder": visit.work_order.work_order_id,
        "bks_eventid": visit.event_id,
        "bks_eventhash": event_hash(visit.technician.mailbox_id, visit.event_id),
    }
