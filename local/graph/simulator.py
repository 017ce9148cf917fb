"""The whole simulator without HTTP around it: world, subscriptions, courier, delta and the service that joins them."""

from datetime import date

from local.graph.batch import BatchOperation
from local.graph.calendar_operations import CalendarOperations
from local.graph.calls import Service
from local.graph.courier import Courier
from local.graph.delta import DeltaReader
from local.graph.door import Door, HttpDoor
from local.graph.event_operations import EventOperations
from local.graph.seed import seed as seed_world
from local.graph.subscription_operations import SubscriptionOperations
from local.graph.subscriptions import Subscriptions
from local.graph.switches import SWITCHES
from local.graph.throttle import MailboxThrottle
from local.graph.world import GraphWorld
from local.meetings import build_meetings
from local.sample import TENANT_ID, build_sample, guid
from local.switchboard import Switchboard, WorldClock

APPLICATION_ID = guid("application:booking-sync")


class GraphSimulator:
    """One simulated tenant. `today` decides the dates of the sample data; None: the clock's date at every reset."""

    def __init__(
        self, *, today: date | None = None, clock: WorldClock | None = None, seed: int = 0, door: Door | None = None
    ) -> None:
        """`door` reaches the app; None: over real HTTP."""
        self._today = today
        self.switchboard = Switchboard(switches=SWITCHES, clock=clock, seed=seed)
        self.door: Door = door or HttpDoor()
        self.world = GraphWorld(self.switchboard)
        self.delta_reader = DeltaReader(self.world)
        self.subscriptions = Subscriptions(self.world, self.door, lambda user: self.world.mailbox_of(user, "app"))
        self.courier = Courier(self.world, self.subscriptions, TENANT_ID)
        self._throttle = MailboxThrottle(self.switchboard)
        self.service = Service(self.world, self._throttle)
        self.service.operations += [
            *EventOperations(self.world).operations(),
            *CalendarOperations(self.world, self.delta_reader).operations(),
            *SubscriptionOperations(self.world, self.subscriptions, APPLICATION_ID).operations(),
            *BatchOperation(self.service, self.switchboard.random).operations(),
        ]
        self.switchboard.on_reset.append(self._start_over)
        self._start_over()

    async def post(self, url: str, body: bytes, timeout_seconds: float) -> int:
        """Post a notification through the door; what `Courier.deliver_due` and `Courier.run` take."""
        answer = await self.door.post(url, body, "application/json; charset=utf-8", timeout_seconds)
        return answer.status

    def _start_over(self) -> None:
        self.world.clear()
        self.subscriptions.clear()
        self.courier.clear()
        self._throttle.clear()
        self.delta_reader.expire_tokens()
        today = self._today or self.world.now.date()
        seed_world(self.world, build_sample(today), build_meetings(today))
