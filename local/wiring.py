"""The app's real clients over any HTTP transport, for everything that runs app and services in one process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

import httpx
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider

from local.switchboard import APP_TOKEN
from sync.adapters.dataverse import DataverseClient
from sync.adapters.dataverse_answers import DataverseAnswers
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.graph import GraphClient, open_graph
from sync.adapters.graph_answers import GraphMeetings
from sync.adapters.graph_wire import classify_graph_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Classify, Transport
from sync.core.subscriptions import SubscriptionPolicy
from sync.service.answer_ports import AnswerPorts, MeetingMemory

GRAPH_URL = "http://127.0.0.1:7080/v1.0"
DATAVERSE_URL = "http://127.0.0.1:7090"
PUBLIC_URL = "http://127.0.0.1:7071"
"""Addresses that are only names here: no socket is opened."""

SUBSCRIPTIONS = SubscriptionPolicy(
    notification_url=f"{PUBLIC_URL}/api/graph/notifications", lifecycle_url=f"{PUBLIC_URL}/api/graph/lifecycle"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the clients of one process of the app have in common."""

    graph: httpx.AsyncBaseTransport
    dataverse: httpx.AsyncBaseTransport
    secret: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    random: Random
    subscriptions: SubscriptionPolicy = SUBSCRIPTIONS
    transport: type[Transport] = Transport
    """Another one for comparisons."""

    def open_calendar(self) -> GraphClient:
        return open_graph(
            AzureIdentityAuthenticationProvider(StaticTokenCredential(APP_TOKEN), scopes=["local"]),
            self._transport(classify_graph_failure),
            url=GRAPH_URL,
            subscriptions=self.subscriptions,
            secret=self.secret,
            http_transport=self.graph,
        )

    def open_bookings(self) -> DataverseClient:
        http = DataverseHttp(
            open_http(transport=self.dataverse),
            StaticTokenCredential(APP_TOKEN),
            self._transport(classify_dataverse_failure),
            url=DATAVERSE_URL,
        )
        return DataverseClient(http, clock=self.clock)

    def open_answers(self, calendar: GraphClient, memory: MeetingMemory) -> AnswerPorts:
        http = DataverseHttp(
            open_http(transport=self.dataverse),
            StaticTokenCredential(APP_TOKEN),
            self._transport(classify_dataverse_failure),
            url=DATAVERSE_URL,
        )
        return AnswerPorts(calendar=GraphMeetings(calendar.sender), table=DataverseAnswers(http), memory=memory)

    def _transport(self, classify: Classify) -> Transport:
        return self.transport(classify=classify, clock=self.clock, sleep=self.sleep, random=self.random)
