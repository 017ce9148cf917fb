"""Subscriptions: creation with its handshake, renewal, reauthorisation and death.

Sources: Graph documentation, subscription-post-subscriptions, resources/subscription,
change-notifications-delivery-webhooks, change-notifications-lifecycle-events, subscription-list.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from local.graph.door import Door
from local.graph.errors import GraphError
from local.graph.events import Mailbox
from local.graph.ids import IdForm
from local.graph.wire import GRAPH_ROOT
from local.graph.world import GraphWorld
from local.graph.zones import utc_text

LONGEST = timedelta(minutes=10_080)
SHORTEST = timedelta(minutes=45)
HANDSHAKE_SECONDS = 10.0
MOST_PER_MAILBOX = 1_000
LONGEST_CLIENT_STATE = 128
RENEW_AND_REAUTHORIZE_APART = timedelta(minutes=10)
"""A PATCH and a reauthorize of one subscription closer together than this corrupt it."""

_RESOURCE = re.compile(r"/?users/([^/]+)(/calendar|/calendars/([^/]+))?/events/?", re.IGNORECASE)
_REQUIRED = ("changeType", "notificationUrl", "resource", "expirationDateTime")
_CREATABLE = {*_REQUIRED, "lifecycleNotificationUrl", "clientState", "latestSupportedTlsVersion"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(slots=True, kw_only=True)
class Subscription:
    """A live subscription. `calendar_id` None: what `users/{id}/events` covers. `is_corrupted` is never undone."""

    subscription_id: str
    mailbox_id: str
    calendar_id: str | None
    resource: str
    change_types: frozenset[str]
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    tls_version: str
    id_form: IdForm
    expires_at: datetime
    renewed_at: datetime | None = None
    reauthorized_at: datetime | None = None
    is_corrupted: bool = False
    is_paused: bool = False

    @property
    def addresses(self) -> list[str]:
        return [self.notification_url, *([self.lifecycle_url] if self.lifecycle_url else [])]


def refusal(message: str, code: str = "InvalidRequest", status: int = 400) -> GraphError:
    return GraphError(status, code, message)


class Subscriptions:
    """All subscriptions of the app. A dead one vanishes without a word, as in the service."""

    def __init__(self, world: GraphWorld, door: Door, find_mailbox: Callable[[str], Mailbox]) -> None:
        """`find_mailbox` opens a mailbox in the app's name and raises the service's refusals."""
        self._world = world
        self._door = door
        self._find_mailbox = find_mailbox
        self._by_id: dict[str, Subscription] = {}

    def clear(self) -> None:
        self._by_id.clear()

    def live(self) -> list[Subscription]:
        """Subscriptions that have not expired, oldest first."""
        now = self._world.now
        expired = [each.subscription_id for each in self._by_id.values() if each.expires_at <= now]
        for subscription_id in expired:
            del self._by_id[subscription_id]
        return list(self._by_id.values())

    def is_live(self, subscription_id: str) -> bool:
        subscription = self._by_id.get(subscription_id)
        return subscription is not None and subscription.expires_at > self._world.now

    def get(self, subscription_id: str) -> Subscription:
        if not self.is_live(subscription_id):
            raise refusal("The object was not found.", "ResourceNotFound", 404)
        return self._by_id[subscription_id]

    async def create(self, body: Any, id_form: IdForm) -> Subscription:
        """A new subscription, once both its addresses have answered the handshake."""
        subscription = self._parse(body, id_form)
        self._refuse_duplicate(subscription)
        await self._validate(subscription.addresses)
        self._refuse_duplicate(subscription)
        self._by_id[subscription.subscription_id] = subscription
        return subscription

    async def renew(self, subscription_id: str, body: Any) -> Subscription:
        """PATCH: a new expiry, which also reauthorises, or another notification address."""
        subscription = self.get(subscription_id)
        checked = _known_fields(body, {"expirationDateTime", "notificationUrl"})
        expires_at, url = subscription.expires_at, subscription.notification_url
        if "expirationDateTime" in checked:
            expires_at = self._expiry(checked["expirationDateTime"])
        if "notificationUrl" in checked:
            url = _address("notificationUrl", checked["notificationUrl"])
        if url != subscription.notification_url:
            await self._validate([url])
        if self._world.switch("renew_revalidates"):
            await self._validate(subscription.addresses)
        subscription.expires_at, subscription.notification_url = expires_at, url
        subscription.renewed_at, subscription.is_paused = self._world.now, False
        self._mark_if_corrupted(subscription)
        return subscription

    async def reauthorize(self, subscription_id: str) -> None:
        subscription = self.get(subscription_id)
        if self._world.switch("renew_revalidates"):
            await self._validate(subscription.addresses)
        subscription.reauthorized_at, subscription.is_paused = self._world.now, False
        self._mark_if_corrupted(subscription)

    def delete(self, subscription_id: str) -> None:
        self.get(subscription_id)
        del self._by_id[subscription_id]

    def _mark_if_corrupted(self, subscription: Subscription) -> None:
        renewed_at, reauthorized_at = subscription.renewed_at, subscription.reauthorized_at
        if renewed_at and reauthorized_at and abs(renewed_at - reauthorized_at) < RENEW_AND_REAUTHORIZE_APART:
            subscription.is_corrupted = True

    def _parse(self, body: Any, id_form: IdForm) -> Subscription:
        checked = _known_fields(body, _CREATABLE)
        if missing := [name for name in _REQUIRED if not checked.get(name)]:
            raise refusal(f"The properties {', '.join(missing)} are required.")
        client_state = checked.get("clientState")
        if client_state is not None and not (
            isinstance(client_state, str) and len(client_state) <= LONGEST_CLIENT_STATE
        ):
            raise refusal(f"clientState must be a text of at most {LONGEST_CLIENT_STATE} characters.")
        lifecycle_url = checked.get("lifecycleNotificationUrl")
        mailbox, calendar_id = self._covered(checked["resource"])
        return Subscription(
            subscription_id=str(uuid.UUID(int=self._world.switchboard.random.getrandbits(128), version=4)),
            mailbox_id=mailbox.mailbox_id,
            calendar_id=calendar_id,
            resource=checked["resource"],
            change_types=_change_types(checked["changeType"]),
            change_type=checked["changeType"],
            notification_url=_address("notificationUrl", checked["notificationUrl"]),
            lifecycle_url=_address("lifecycleNotificationUrl", lifecycle_url) if lifecycle_url else None,
            client_state=client_state,
            tls_version=checked.get("latestSupportedTlsVersion") or "v1_2",
            id_form=id_form,
            expires_at=self._expiry(checked["expirationDateTime"]),
        )

    def _covered(self, resource: Any) -> tuple[Mailbox, str | None]:
        match = _RESOURCE.fullmatch(resource) if isinstance(resource, str) else None
        is_default_calendar = match is not None and (match[2] or "").lower() == "/calendar"
        if match is None or (is_default_calendar and not self._world.switch("calendar_events_resource")):
            raise refusal(f"The value '{resource}' of parameter 'Resource' is not supported.")
        mailbox = self._find_mailbox(match[1])
        if is_default_calendar:
            return mailbox, mailbox.default_calendar.calendar_id
        if match[3] and match[3] not in mailbox.calendars:
            raise refusal("The specified calendar was not found.", "ErrorItemNotFound", 404)
        return mailbox, match[3]

    def _expiry(self, text: Any) -> datetime:
        """The expiry that the service grants: too short is raised, too long is refused."""
        try:
            wanted = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise refusal(f"expirationDateTime {text!r} is not a date and time.") from None
        wanted = wanted.replace(tzinfo=UTC) if wanted.tzinfo is None else wanted.astimezone(UTC)
        if wanted - self._world.now > LONGEST:
            minutes = int(LONGEST.total_seconds() // 60)
            raise refusal(f"Subscription expiration can only be {minutes} minutes in the future.")
        return max(wanted, self._world.now + SHORTEST)

    def _refuse_duplicate(self, wanted: Subscription) -> None:
        in_mailbox = [each for each in self.live() if each.mailbox_id == wanted.mailbox_id]
        for each in in_mailbox:
            if (each.calendar_id, each.change_types) == (wanted.calendar_id, wanted.change_types):
                message = f"Subscription Id <{each.subscription_id}> already exists for the requested combination"
                raise refusal(message, "Conflict", 409)
        if len(in_mailbox) >= MOST_PER_MAILBOX:
            raise refusal(f"The mailbox has its {MOST_PER_MAILBOX} subscriptions already.", "ErrorAccessDenied", 403)

    async def _validate(self, addresses: list[str]) -> None:
        """The handshake with each address; an address named twice is asked twice."""
        for address in addresses:
            if not await self._answers(address):
                raise refusal("Subscription validation request timed out.")

    async def _answers(self, address: str) -> bool:
        request_id = uuid.UUID(int=self._world.switchboard.random.getrandbits(128), version=4)
        token = f"Validation: Testing client application reachability for subscription Request-Id: {request_id}"
        # Spaces as `+` and lower-case escapes, as on the wire: a receiver that does not decode fails here too.
        encoded = quote(token, safe=" ").replace(" ", "+").replace("%3A", "%3a")
        url = f"{address}{'&' if urlsplit(address).query else '?'}validationToken={encoded}"
        try:
            answer = await self._door.post(url, b"", "text/plain; charset=utf-8", HANDSHAKE_SECONDS)
        except (OSError, TimeoutError):
            return False
        is_plain = answer.content_type.partition(";")[0].strip().lower() == "text/plain"
        return answer.status == 200 and is_plain and answer.text == token


def subscription_json(subscription: Subscription, application_id: str, *, with_state: bool) -> dict[str, Any]:
    """A subscription as JSON. `with_state` is false in lists, where the service keeps the client state back."""
    return {
        "id": subscription.subscription_id,
        "resource": subscription.resource,
        "applicationId": application_id,
        "changeType": subscription.change_type,
        "clientState": subscription.client_state if with_state else None,
        "notificationUrl": subscription.notification_url,
        "lifecycleNotificationUrl": subscription.lifecycle_url,
        "expirationDateTime": utc_text(subscription.expires_at),
        "creatorId": str(uuid.uuid5(uuid.NAMESPACE_URL, application_id)),
        "latestSupportedTlsVersion": subscription.tls_version,
        "notificationQueryOptions": None,
        "notificationContentType": None,
        "includeResourceData": None,
        "encryptionCertificate": None,
        "encryptionCertificateId": None,
        "notificationUrlAppId": None,
    }


def subscription_context(kind: str = "/$entity") -> str:
    return f"{GRAPH_ROOT}/$metadata#subscriptions{kind}"


def _known_fields(body: Any, known: set[str]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise refusal("The body of the request is not a JSON object.", "BadRequest")
    for name in body:
        if name not in known and not name.startswith("@odata."):
            raise refusal(f"The property '{name}' cannot be set here.")
    return body


def _change_types(text: Any) -> frozenset[str]:
    types = frozenset(each.strip() for each in text.split(",")) if isinstance(text, str) else frozenset()
    if not types or types - {"created", "updated", "deleted"}:
        raise refusal(f"changeType {text!r} must name created, updated or deleted.")
    return types


def _address(name: str, url: Any) -> str:
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme == "https" and parts.hostname:
        return str(url)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return str(url)
    raise refusal(f"{name} must be an HTTPS address; the simulator takes http on loopback too, not {url!r}.")
