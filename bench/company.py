"""A company of any size, with nothing but what a backfill needs, made in the simulators' worlds.

It lives beside the sample company, which loses its bookings and lends it its work orders.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.dataverse.schema import Value
from local.dataverse.seed import status_id
from local.dataverse.tables import USER_RESOURCE
from local.dataverse.world import Author, DataverseWorld
from local.graph.world import GraphWorld
from local.sample import Sample, Technician, guid

VISITS_A_DAY = 5
_LENGTH = timedelta(hours=1)
_FIRST_HOUR = 7
"""Of a day, in UTC; a visit begins every two hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """`visits` are those of one technician."""

    technicians: tuple[Technician, ...]
    visits: int

    @classmethod
    def of(cls, number: int, *, visits: int) -> "Company":
        """So many technicians with so many visits each."""
        names = [f"Technician {index + 1:05}" for index in range(number)]
        return cls(technicians=tuple(Technician(name=name) for name in names), visits=visits)

    @property
    def bookings(self) -> int:
        return len(self.technicians) * self.visits

    def hire(self, graph: GraphWorld, dataverse: DataverseWorld) -> None:
        """Every technician is a user, a resource and a mailbox."""
        for technician in self.technicians:
            graph.add_mailbox(technician.mailbox_id, technician.address, technician.name)
        self.employ(dataverse)

    def employ(self, dataverse: DataverseWorld) -> None:
        """Every technician is a user and a resource."""
        author = Author(user_id=dataverse.users["person"])
        for technician in self.technicians:
            user: dict[str, Value] = {
                "fullname": technician.name,
                "domainname": technician.address,
                "internalemailaddress": technician.address,
                "azureactivedirectoryobjectid": technician.mailbox_id,
            }
            dataverse.create("systemuser", user, author, technician.system_user_id)
            resource: dict[str, Value] = {
                "name": technician.name,
                "resourcetype": USER_RESOURCE,
                "userid": technician.system_user_id,
            }
            dataverse.create("bookableresource", resource, author, technician.resource_id)

    def book(self, dataverse: DataverseWorld, sample: Sample) -> None:
        """Replace the sample's bookings. The ids of the new ones say nothing of technicians and days."""
        author = Author(user_id=dataverse.users["person"])
        for replaced in sample.bookings:
            dataverse.delete("bookableresourcebooking", replaced.booking_id, author)
        tomorrow = dataverse.now().replace(hour=_FIRST_HOUR, minute=0, second=0) + timedelta(days=1)
        for technician in self.technicians:
            for visit in range(self.visits):
                order = sample.work_orders[visit % len(sample.work_orders)]
                start_at = _start_of(visit, tomorrow)
                booking: dict[str, Value] = {
                    "name": order.number,
                    "starttime": start_at,
                    "endtime": start_at + _LENGTH,
                    "duration": 60,
                    "bookingstatus": status_id("Scheduled"),
                    "resource": technician.resource_id,
                    "msdyn_workorder": order.work_order_id,
                }
                dataverse.create("bookableresourcebooking", booking, author, guid(f"{technician.name}: visit {visit}"))


def _start_of(visit: int, first_day: datetime) -> datetime:
    day, turn = divmod(visit, VISITS_A_DAY)
    return (first_day + timedelta(days=day, hours=2 * turn)).astimezone(UTC)
