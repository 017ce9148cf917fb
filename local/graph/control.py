"""`/_control`: what people and fate do to the simulated tenant, and a look inside. Beside the switchboard's own routes.

Event ids here are immutable ones. Answers are JSON; a request that makes no sense gets 400 and an explanation.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.graph.errors import GraphError
from local.graph.events import Access, Calendar, Event, Mailbox
from local.graph.notifications import LifecycleEvent
from local.graph.simulator import GraphSimulator
from local.graph.subscriptions import Subscription
from local.graph.zones import utc_text


class Control:
    """Routes that act on one simulator."""

    def __init__(self, simulator: GraphSimulator) -> None:
        self._simulator = simulator
        self._world = simulator.world

    def routes(self) -> list[Route]:
        return [
            Route("/state", self.state, methods=["GET"]),
            Route("/mails", self.mails, methods=["GET"]),
            self._post("/move-event", self.move_event),
            self._post("/copy-event", self.copy_event),
            self._post("/answer-event", self.answer_event),
            self._post("/mailboxes", self.change_mailbox),
            self._post("/lifecycle", self.lifecycle),
            self._post("/expire-delta-tokens", self.expire_delta_tokens),
        ]

    def _post(self, path: str, act: Callable[[dict[str, Any]], dict[str, Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(act(await request.json() if await request.body() else {}))
            except GraphError as error:
                return JSONResponse({"error": error.message}, status_code=400)
            except KeyError as error:
                return JSONResponse({"error": f"missing or unknown: {error}"}, status_code=400)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)

        return Route(path, endpoint, methods=["POST"])

    async def state(self, request: Request) -> Response:
        """Everything, or one mailbox (`?mailbox_id=`)."""
        wanted = request.query_params.get("mailbox_id")
        mailboxes = [each for each in self._world.mailboxes.values() if wanted in (None, each.mailbox_id)]
        courier = self._simulator.courier
        return JSONResponse(
            {
                "now": utc_text(self._world.now),
                "mailboxes": [_mailbox_json(mailbox) for mailbox in mailboxes],
                "events": [
                    _event_json(versions[-1], mailbox)
                    for mailbox in mailboxes
                    for versions in mailbox.versions.values()
                ],
                "subscriptions": [
                    _subscription_json(each)
                    for each in self._simulator.subscriptions.live()
                    if wanted in (None, each.mailbox_id)
                ],
                "outbox": [
                    {
                        "url": delivery.url,
                        "due_at": utc_text(delivery.due_at),
                        "attempts": delivery.attempts,
                        "items": delivery.items,
                    }
                    for delivery in courier.outbox
                ],
                "in_flight": courier.in_flight,
                "notifications": dict(courier.counts),
            }
        )

    async def mails(self, _: Request) -> Response:
        mails = self._world.mails
        return JSONResponse({"count": len(mails), "mails": [asdict(mail) for mail in mails]})

    def move_event(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """`calendar` is a name or an id; a calendar that is not there is made."""
        mailbox, event = self._event(wanted)
        return _event_json(self._world.move(event, self._calendar(mailbox, wanted["calendar"])), mailbox)

    def copy_event(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Into `calendar`, or the one the event lies in."""
        mailbox, event = self._event(wanted)
        calendar = self._calendar(mailbox, wanted.get("calendar", event.calendar_id))
        return _event_json(self._world.copy(mailbox, event, calendar), mailbox)

    def answer_event(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """An attendee (`address`) answers the invitation (`response`)."""
        mailbox, event = self._event(wanted)
        return _event_json(self._world.answer(event, wanted["address"], wanted["response"]), mailbox)

    def change_mailbox(self, wanted: dict[str, Any]) -> dict[str, Any]:
        mailbox = self._world.mailboxes[wanted["mailbox_id"]]
        if wanted["access"] not in get_args(Access):
            raise ValueError(f"access is one of {', '.join(get_args(Access))}")
        mailbox.access = wanted["access"]
        return _mailbox_json(mailbox)

    def lifecycle(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """`event` befalls `subscription_id`, or "all".

        `subscriptionRemoved` also removes the subscription; with `"quiet": true` without a word. `"pause": true` goes
        with `reauthorizationRequired`: changes are lost until the subscription is renewed or reauthorised.
        """
        subscriptions, event = self._simulator.subscriptions, wanted["event"]
        if event not in get_args(LifecycleEvent):
            raise ValueError(f"event is one of {', '.join(get_args(LifecycleEvent))}")
        named = wanted["subscription_id"]
        concerned = subscriptions.live() if named == "all" else [subscriptions.get(named)]
        for subscription in concerned:
            if not wanted.get("quiet"):
                self._simulator.courier.send_lifecycle(subscription, event)
            if event == "subscriptionRemoved":
                subscriptions.delete(subscription.subscription_id)
            if event == "reauthorizationRequired" and wanted.get("pause"):
                subscription.is_paused = True
        return {"subscription_ids": [each.subscription_id for each in concerned]}

    def expire_delta_tokens(self, _: dict[str, Any]) -> dict[str, Any]:
        self._simulator.delta_reader.expire_tokens()
        return {}

    def _event(self, wanted: dict[str, Any]) -> tuple[Mailbox, Event]:
        mailbox = self._world.mailboxes[wanted["mailbox_id"]]
        event = self._world.current(mailbox, wanted["event_id"], "immutable")
        if event.series_id is not None:
            raise ValueError(f"this works on whole series only; name its master, {event.series_id}")
        return mailbox, event

    def _calendar(self, mailbox: Mailbox, wanted: str) -> Calendar:
        calendars = mailbox.calendars.values()
        found = next((each for each in calendars if wanted in (each.name, each.calendar_id)), None)
        return found or self._world.add_calendar(mailbox, wanted)


def _mailbox_json(mailbox: Mailbox) -> dict[str, Any]:
    return {
        "mailbox_id": mailbox.mailbox_id,
        "address": mailbox.address,
        "access": mailbox.access,
        "calendars": [asdict(calendar) for calendar in mailbox.calendars.values()],
    }


def _event_json(event: Event, mailbox: Mailbox) -> dict[str, Any]:
    calendar = mailbox.calendars.get(event.calendar_id)
    return {
        "mailbox_id": mailbox.mailbox_id,
        "id": event.immutable_id,
        "default_id": event.id_in("default"),
        "subject": event.properties.get("subject"),
        "start": utc_text(event.start_at),
        "end": utc_text(event.end_at),
        "is_all_day": event.is_all_day,
        "type": event.type,
        "folder": "Deleted Items" if calendar is None else calendar.name,
        "is_deleted": event.is_deleted,
        "etag": event.etag,
        "extensions": {name: dict(properties) for name, properties in event.extensions.items()},
        "extended_properties": dict(event.extended_properties),
    }


def _subscription_json(subscription: Subscription) -> dict[str, Any]:
    return {
        "subscription_id": subscription.subscription_id,
        "mailbox_id": subscription.mailbox_id,
        "resource": subscription.resource,
        "change_type": subscription.change_type,
        "notification_url": subscription.notification_url,
        "lifecycle_url": subscription.lifecycle_url,
        "id_form": subscription.id_form,
        "expires_at": utc_text(subscription.expires_at),
        "is_corrupted": subscription.is_corrupted,
        "is_paused": subscription.is_paused,
    }
