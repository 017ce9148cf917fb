"""Checks a deployment from end to end, one finding after the other. Changes nothing, and stops at no failure.

What a check asks is gathered here and judged by `sync.core.doctor`; what a service does not answer becomes a finding of
its own. The round trip of a test booking, which does change something, is `sync.service.canary`.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from json import dumps
from typing import Protocol
from urllib.parse import quote
from uuid import UUID

from sync.core import doctor
from sync.core.diagnosis import Fact, Finding, Unread
from sync.core.doctor_facts import DoorAnswer, Identity, Mailboxes, Registration, Service, Storage
from sync.core.errors import MailboxUnavailable, SyncError
from sync.core.reconcile import OnDeletion
from sync.core.registration import Part
from sync.core.registration_plan import find_conflicts, plan_setup
from sync.core.rights import APP_TABLES, rights_of_app
from sync.core.rules import Rules
from sync.core.sides import TimeSpan
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.service.installing import Environment
from sync.service.ports import Ports
from sync.service.sweeping import wanted_mailboxes

MAILBOXES_TRIED = 3
"""One calendar that answers proves the permission; one that does not may be that mailbox's own trouble."""

_NOBODY = str(UUID(int=1))
_NOT_OUR_TABLE = "bookingsync_checkup"
"""An execution context about it is taken and means no work."""


class Probes(Protocol):
    """What a checkup asks beyond the ports. Each raises a `SyncError` where nothing answers."""

    async def read_storage(self) -> Storage: ...

    async def identify(self, service: Service) -> Identity:
        """Get a token for the service, and read whom it stands for."""

    async def post(self, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> DoorAnswer:
        """Call one of our own addresses from outside, as the services do."""

    async def read_clock(self, service: Service) -> float:
        """By how many seconds the service's clock is ahead of this machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is checked: our addresses, and what Dataverse is to have. `client_id` is the app's identity, if known."""

    webhook_url: str
    webhook_secret: str = field(repr=False)
    wanted: Sequence[Part]
    client_id: str | None


async def examine(
    deployment: Deployment, environment: Environment, probes: Probes, ports: Ports, rules: Rules
) -> AsyncIterator[Finding]:
    """Every finding but that of the settings, as it comes."""
    storage = await _learn(probes.read_storage())
    yield doctor.judge_storage(storage)
    yield doctor.judge_poison(storage, await _learn(ports.dead_letters.count_letters()))
    identities = {service: await _learn(probes.identify(service)) for service in Service}
    for service in Service:
        yield doctor.judge_clock(service, await _learn(probes.read_clock(service)))
        yield doctor.judge_identity(service, identities[service])
    registration = await _learn(_read_registration(deployment, environment, rules))
    dataverse = identities[Service.DATAVERSE]
    is_person = isinstance(dataverse, Identity) and dataverse.is_app is False
    asks_about_app = deployment.client_id is not None or not is_person
    for finding in doctor.judge_registration(registration, asks_about_app=asks_about_app):
        yield finding
    mailboxes = await _learn(_read_mailboxes(ports, rules))
    now = ports.clock()
    reached = await _learn(_reach_a_calendar(mailboxes, ports))
    yield doctor.judge_calendar(reached, identities[Service.GRAPH], mailboxes, now)
    async for finding in _examine_doors(deployment, probes, ports, rules):
        yield finding
    yield doctor.judge_subscriptions(mailboxes, now)
    for finding in doctor.judge_quarantine(mailboxes):
        yield finding
    synced = await _learn(_list_microsoft_synced(ports))
    yield doctor.judge_coexistence(synced, mailboxes, is_allowed=rules.allows_microsoft_sync)
    yield doctor.judge_sweep(await _learn(ports.state.find_booking_cursor()), now)


async def _learn[T](asked: Awaitable[T]) -> Fact[T]:
    """What was asked, or why it cannot be known."""
    try:
        return await asked
    except SyncError as error:
        return Unread(error.reason)


async def _read_registration(deployment: Deployment, environment: Environment, rules: Rules) -> Registration:
    missing = await environment.missing_tables(APP_TABLES)
    client_id = deployment.client_id
    user_id = await environment.find_application_user(client_id) if client_id else await environment.who_am_i()
    if missing:
        return Registration(missing_tables=missing, app_user_id=user_id, lacking=(), plan=(), conflicts=())
    found = await environment.read(deployment.wanted)
    rights = rights_of_app(
        deletes_bookings=rules.policy.on_deletion is OnDeletion.DELETE, reads_answers=rules.reads_answers
    )
    return Registration(
        missing_tables=(),
        app_user_id=user_id,
        lacking=await environment.missing_rights(user_id, rights) if user_id else (),
        plan=plan_setup(deployment.wanted, found),
        conflicts=find_conflicts(deployment.wanted, found),
    )


async def _read_mailboxes(ports: Ports, rules: Rules) -> Mailboxes:
    return Mailboxes(
        wanted=[one async for one in wanted_mailboxes(ports, rules)],
        records={one.mailbox_id: one async for one in ports.state.list_subscription_records()},
        quarantines={one.mailbox_id: one async for one in ports.state.list_quarantines()},
    )


async def _reach_a_calendar(mailboxes: Fact[Mailboxes], ports: Ports) -> str:
    """A mailbox whose calendar can be read. Raises the last error of those that were tried."""
    if isinstance(mailboxes, Unread):
        raise SyncError("It is not known which mailboxes there are.")
    candidates = sorted(set(mailboxes.wanted).difference(mailboxes.quarantines)) or sorted(mailboxes.wanted)
    error = SyncError("There is no mailbox to try it with.")
    now = ports.clock()
    for mailbox_id in candidates[:MAILBOXES_TRIED]:
        try:
            await ports.calendar.read_delta(
                mailbox_id, window=TimeSpan(start_at=now, end_at=now + timedelta(days=1)), link=None
            )
        except MailboxUnavailable as unavailable:
            error = unavailable
            continue
        return mailbox_id
    raise error


async def _examine_doors(deployment: Deployment, probes: Probes, ports: Ports, rules: Rules) -> AsyncIterator[Finding]:
    """Our own addresses, called as Graph and Dataverse call them. None of these calls means work."""
    addresses = {
        "notification": rules.subscriptions.notification_url,
        "lifecycle": rules.subscriptions.lifecycle_url,
    }
    for name, url in addresses.items():
        # As Graph's own: words, a colon and blanks, to be answered as decoded.
        token = f"Validation: a checkup of our own asks for {ports.new_id()}"
        query = f"{'&' if '?' in url else '?'}validationToken={quote(token)}"
        yield doctor.judge_handshake(name, token, await _learn(probes.post(url + query)))
    context = {"MessageName": "Update", "PrimaryEntityName": _NOT_OUR_TABLE, "PrimaryEntityId": _NOBODY}
    body = dumps(context).encode()
    secret = {WEBHOOK_SECRET_HEADER: deployment.webhook_secret}
    stranger = await _learn(probes.post(deployment.webhook_url, body=body))
    dataverse = await _learn(probes.post(deployment.webhook_url, body=body, headers=secret))
    for finding in doctor.judge_webhook(stranger, dataverse):
        yield finding


async def _list_microsoft_synced(ports: Ports) -> list[str]:
    return [one async for one in ports.bookings.list_microsoft_synced()]
