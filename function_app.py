"""The triggers, and nothing else: read the input, call a use case, map its answer.

Importing this module must stay quick and needs no network: it happens while a cold instance has a notification waiting.
Settings that are not usable refuse to start here, with every problem in one message; the host then serves no function,
so that nothing is taken from a queue and Graph keeps its notifications for later. What Dataverse tells meanwhile is
lost; the sweep finds it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import azure.functions as func

from sync import bootstrap
from sync.core.notifications import accept_changes, accept_lifecycle
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import BOOKING_CHANGES_QUEUE, EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE, POISON_SUFFIX
from sync.service.intake import Parse, Reply, answer_post, answer_webhook
from sync.settings import MAXIMUM_DEQUEUE_COUNT

if TYPE_CHECKING:
    from sync.page.answering import HttpAnswer, PageRequest

STORAGE = "AzureWebJobsStorage"
UPKEEP_TIME = timedelta(minutes=8)
"""Below the host's functionTimeout, so that a run ends by itself."""

bootstrap.settings()
bootstrap.start_telemetry()
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("graph/notifications", methods=["POST"])
async def graph_notifications(req: func.HttpRequest) -> func.HttpResponse:
    """Change notifications. Open to the world: every item proves by its client state that Graph sent it."""
    return await _answer(req, accept_changes)


@app.route("graph/lifecycle", methods=["POST"])
async def graph_lifecycle(req: func.HttpRequest) -> func.HttpResponse:
    """Lifecycle notifications, proved the same way."""
    return await _answer(req, accept_lifecycle)


@app.route("dataverse/bookings", methods=["POST"])
async def dataverse_bookings(req: func.HttpRequest) -> func.HttpResponse:
    """Dataverse's webhooks about bookings and work orders, proved by the secret in a header."""
    return _response(await answer_webhook(req.get_body(), req.headers.get(WEBHOOK_SECRET_HEADER), bootstrap.door))


@app.route("status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def status(req: func.HttpRequest) -> func.HttpResponse:
    """The status page, for whoever has the function key."""
    from sync.page.answering import answer_get

    return _shown(await answer_get(_page_request(req), bootstrap.desk()))


@app.route("status", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def status_order(req: func.HttpRequest) -> func.HttpResponse:
    """What a person orders on the status page, once they have confirmed it."""
    from sync.page.answering import answer_order

    return _shown(await answer_order(_page_request(req), bootstrap.desk()))


@app.queue_trigger("message", EVENT_CHANGES_QUEUE, STORAGE)
async def event_changes(message: func.QueueMessage) -> None:
    """Reconcile one event with its booking."""
    from sync.service.handlers import handle_event_change

    await handle_event_change(_text(message), message.dequeue_count or 1, MAXIMUM_DEQUEUE_COUNT, bootstrap.workshop())


@app.queue_trigger("message", BOOKING_CHANGES_QUEUE, STORAGE)
async def booking_changes(message: func.QueueMessage) -> None:
    """Bring one booking, or the bookings of one work order, to Outlook."""
    from sync.service.handlers import handle_booking_change

    await handle_booking_change(_text(message), message.dequeue_count or 1, MAXIMUM_DEQUEUE_COUNT, bootstrap.workshop())


@app.queue_trigger("message", MAILBOX_TASKS_QUEUE, STORAGE)
async def mailbox_tasks(message: func.QueueMessage) -> None:
    """Sweep one mailbox, or renew or create its subscription."""
    from sync.service.handlers import handle_mailbox_task

    await handle_mailbox_task(_text(message), message.dequeue_count or 1, MAXIMUM_DEQUEUE_COUNT, bootstrap.workshop())


@app.queue_trigger("message", EVENT_CHANGES_QUEUE + POISON_SUFFIX, STORAGE)
async def event_changes_poison(message: func.QueueMessage) -> None:
    """Move what the host gave up on to the dead letters."""
    from sync.service.disposal import collect_poison

    await collect_poison(EVENT_CHANGES_QUEUE, _text(message), bootstrap.workshop().ports)


@app.queue_trigger("message", BOOKING_CHANGES_QUEUE + POISON_SUFFIX, STORAGE)
async def booking_changes_poison(message: func.QueueMessage) -> None:
    """Move what the host gave up on to the dead letters."""
    from sync.service.disposal import collect_poison

    await collect_poison(BOOKING_CHANGES_QUEUE, _text(message), bootstrap.workshop().ports)


@app.queue_trigger("message", MAILBOX_TASKS_QUEUE + POISON_SUFFIX, STORAGE)
async def mailbox_tasks_poison(message: func.QueueMessage) -> None:
    """Move what the host gave up on to the dead letters."""
    from sync.service.disposal import collect_poison

    await collect_poison(MAILBOX_TASKS_QUEUE, _text(message), bootstrap.workshop().ports)


@app.timer_trigger("timer", "%MAINTAIN_SCHEDULE%")
async def maintain_subscriptions(timer: func.TimerRequest) -> None:
    """Keep one subscription alive for every wanted mailbox."""
    from sync.service.upkeep import maintain_subscriptions as maintain

    shop = bootstrap.workshop()
    await maintain(shop.ports, shop.rules, sleep=bootstrap.sleep, until=bootstrap.now() + UPKEEP_TIME)


@app.timer_trigger("timer", "%SWEEP_SCHEDULE%")
async def sweep_calendars(timer: func.TimerRequest) -> None:
    """Queue a sweep of every wanted mailbox."""
    from sync.service.sweeping import queue_sweeps

    shop = bootstrap.workshop()
    await queue_sweeps(shop.ports, shop.rules)


@app.timer_trigger("timer", "%SWEEP_SCHEDULE%")
async def sweep_bookings(timer: func.TimerRequest) -> None:
    """Queue the bookings that changed, or came into the window, without a webhook's word of it."""
    from sync.service.booking_sweep import sweep_bookings as sweep

    shop = bootstrap.workshop()
    await sweep(shop.ports, shop.rules)


@app.timer_trigger("timer", "%SWEEP_SCHEDULE%")
async def sweep_answers(timer: func.TimerRequest) -> None:
    """Read organizers' events for what attendees answered, where that is switched on."""
    from sync.service.answering import sweep_answers as sweep

    shop = bootstrap.workshop()
    await sweep(shop.ports, shop.rules, until=bootstrap.now() + UPKEEP_TIME)


async def _answer(req: func.HttpRequest, parse: Parse) -> func.HttpResponse:
    return _response(await answer_post(req.get_body(), req.params.get("validationToken"), parse, bootstrap.door))


def _response(reply: Reply) -> func.HttpResponse:
    return func.HttpResponse(
        reply.text, status_code=reply.status, headers=dict(reply.headers), mimetype="text/plain", charset="utf-8"
    )


def _page_request(req: func.HttpRequest) -> "PageRequest":
    from sync.page.answering import PageRequest

    headers = {name.lower(): value for name, value in req.headers.items()}
    return PageRequest(url=req.url, query=dict(req.params), headers=headers, body=req.get_body())


def _shown(answer: "HttpAnswer") -> func.HttpResponse:
    return func.HttpResponse(
        answer.text, status_code=answer.status, headers=dict(answer.headers), mimetype=answer.mimetype, charset="utf-8"
    )


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode(errors="replace")
