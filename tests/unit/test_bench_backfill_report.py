"""What the bench says of a backfill: what was asked of a service is told apart from what the service bears."""

from bench.backfill import Backfill, Fleet, Load
from bench.backfill_report import NOTE, _table

GRAPH = Load(calls={"event.create": 100}, refused=2, in_window=81, most_in_window=10_000, at_once=5, most_at_once=4)
DATAVERSE = Load(calls={}, refused=0, in_window=0, most_in_window=6_000, at_once=9, most_at_once=52)
MEASURED = Backfill(
    fleet=Fleet(instances=40),
    mailboxes=4,
    bookings=100,
    left=0,
    restarts=0,
    seconds=60,
    least_seconds=50,
    cpu_seconds=1,
    graph=GRAPH,
    dataverse=DATAVERSE,
)


def test_more_requests_at_once_than_a_service_bears_are_told_as_asked_with_the_refusals_and_why() -> None:
    """Nothing bounds all instances together: a fifth request to a mailbox is sent, and refused."""
    rows = _table([MEASURED], None).rows
    told = {row.cells[0]: row.cells[1] for row in rows}
    assert told["Graph: most asked of a mailbox at once"] == "5 of 4, 125%"
    assert told["Graph: most asked of a mailbox in 10 min"] == "81 of 10,000,   1%"
    assert told["Dataverse: most asked at once"] == "9 of 52,  17%"
    assert [row.cells[1] for row in rows if row.cells[0] == "  refused with 429"] == ["2", "0"]
    assert "Asked is also what was refused" in NOTE
    assert "at most 2 requests to a mailbox" in NOTE
