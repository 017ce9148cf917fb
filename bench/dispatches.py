"""What a dispatcher does in Dynamics during a measurement: changes of bookings, as requests to Dataverse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Any

import httpx

from bench.trace import Change, scheduled_visits
from local.dataverse.seed import status_id
from local.sample import Sample, SampleBooking, Technician, guid

WEEK = timedelta(weeks=1)
"""So long after a visit of the sample, and twice and three times as long, its technician is free."""


class DispatchKind(StrEnum):
    """What the dispatcher did."""

    MADE = "booking made"
    MOVED = "booking moved"
    REASSIGNED = "booking reassigned"
    CANCELLED = "booking cancelled"
    DELETED = "booking deleted"
    DESCRIBED = "work order described anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One thing done to one row. `path` is below the address of the Web API's version."""

    kind: DispatchKind
    method: str
    path: str
    body: Mapping[str, Any] | None = None


async def make_change(
    change: Change | Dispatch, *, outlook: httpx.AsyncClient, dynamics: httpx.AsyncClient
) -> httpx.Response:
    """Send a change as its technician or as the dispatcher."""
    if isinstance(change, Change):
        return await outlook.request(change.method, change.path, json=change.body)
    # Without If-Match, a PATCH of a row that is gone would make it anew
    headers = {"If-Match": "*"} if change.method == "PATCH" else {}
    return await dynamics.request(change.method, change.path, json=change.body, headers=headers)


def make(like: SampleBooking, by: timedelta, booking_id: str) -> Dispatch:
    """Book a visit once more, `by` after its planned time."""
    assert like.work_order is not None, "the sample's visits have work orders"
    body = {
        "bookableresourcebookingid": booking_id,
        "name": like.name,
        **_times(like, by),
        "duration": int((like.end_at - like.start_at).total_seconds() // 60),
        "Resource@odata.bind": f"/bookableresources({like.technician.resource_id})",
        "BookingStatus@odata.bind": f"/bookingstatuses({status_id('Scheduled')})",
        "msdyn_workorder@odata.bind": f"/msdyn_workorders({like.work_order.work_order_id})",
    }
    return Dispatch(kind=DispatchKind.MADE, method="POST", path="/bookableresourcebookings", body=body)


def move(visit: SampleBooking, by: timedelta) -> Dispatch:
    """Move a booking to `by` after its planned time."""
    return _patch(DispatchKind.MOVED, visit, _times(visit, by))


def reassign(visit: SampleBooking, to: Technician) -> Dispatch:
    return _patch(DispatchKind.REASSIGNED, visit, {"Resource@odata.bind": f"/bookableresources({to.resource_id})"})


def cancel(visit: SampleBooking) -> Dispatch:
    status = f"/bookingstatuses({status_id('Canceled')})"
    return _patch(DispatchKind.CANCELLED, visit, {"BookingStatus@odata.bind": status})


def delete(visit: SampleBooking) -> Dispatch:
    return Dispatch(kind=DispatchKind.DELETED, method="DELETE", path=_address(visit))


def describe(visit: SampleBooking) -> Dispatch:
    """Change the summary of a visit's work order, which stands in its event's text."""
    assert visit.work_order is not None, "the sample's visits have work orders"
    path = f"/msdyn_workorders({visit.work_order.work_order_id})"
    body = {"msdyn_workordersummary": f"{visit.work_order.summary}, call before"}
    return Dispatch(kind=DispatchKind.DESCRIBED, method="PATCH", path=path, body=body)


def dispatches_of(kind: DispatchKind, sample: Sample, count: int) -> list[Dispatch]:
    """`count` dispatches of one kind, each of another visit. Raises `ValueError` where the sample has too few."""
    visits = scheduled_visits(sample)
    if count > len(visits):
        raise ValueError(f"the sample has {len(visits)} scheduled visits, which is fewer than {count}")
    return [_dispatch(kind, visit, sample.technicians) for visit in visits[:count]]


def _dispatch(kind: DispatchKind, visit: SampleBooking, technicians: Sequence[Technician]) -> Dispatch:
    match kind:
        case DispatchKind.MADE:
            return make(visit, WEEK, guid(f"bench:{visit.booking_id}"))
        case DispatchKind.MOVED:
            return move(visit, timedelta(minutes=15))
        case DispatchKind.REASSIGNED:
            return reassign(visit, next(one for one in technicians if one.has_mailbox and one != visit.technician))
        case DispatchKind.CANCELLED:
            return cancel(visit)
        case DispatchKind.DELETED:
            return delete(visit)
        case DispatchKind.DESCRIBED:
            return describe(visit)


def _patch(kind: DispatchKind, visit: SampleBooking, body: Mapping[str, Any]) -> Dispatch:
    return Dispatch(kind=kind, method="PATCH", path=_address(visit), body=body)


def _address(visit: SampleBooking) -> str:
    return f"/bookableresourcebookings({visit.booking_id})"


def _times(visit: SampleBooking, by: timedelta) -> dict[str, str]:
    """The visit's times, `by` after what was planned, as a client of Dynamics sends them."""
    times = {"starttime": visit.start_at + by, "endtime": visit.end_at + by}
    return {name: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()}
