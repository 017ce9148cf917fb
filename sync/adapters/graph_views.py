"""Collections over Graph, page after page, and the view of a calendar: what lies within some time.

Shape: Graph documentation, user-list-calendarview; checked 2026-11-21.
"""

from datetime import timedelta
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.users.item.calendar_view.calendar_view_request_builder import CalendarViewRequestBuilder

from sync.adapters.graph_sending import GraphSender, request_for
from sync.adapters.graph_wire import instant_to_wire, objects_from_wire
from sync.core.sides import TimeSpan


async def read_view(
    sender: GraphSender,
    mailbox_id: str,
    span: TimeSpan,
    *,
    fields: list[str],
    page_size: int,
    most_pages: int | None = None,
) -> list[dict[str, Any]]:
    """The events within `span` as Graph tells them, series as their occurrences, with those fields.

    None when they fill more than `most_pages`.
    """
    query = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters(
        start_date_time=instant_to_wire(span.start_at),
        # A window without length is refused, an event without length is seen from its start on.
        end_date_time=instant_to_wire(max(span.end_at, span.start_at + timedelta(minutes=1))),
        select=fields,
        top=page_size,
    )
    builder = sender.sdk.users.by_user_id(mailbox_id).calendar_view
    request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
    events, is_all = await read_pages(sender, "calendarView.list", request, mailbox_id, most_pages=most_pages)
    return events if is_all else []


async def read_pages(
    sender: GraphSender, operation: str, request: RequestInformation, mailbox_id: str, *, most_pages: int | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """The objects of a collection, page after page, and whether they are all; False with a page left over.

    A page may be short, or empty, and yet have another after it: the link alone tells.
    """
    objects: list[dict[str, Any]] = []
    pages = 0
    while most_pages is None or pages < most_pages:
        page = (await sender.send(operation, request, mailbox_id)).json()
        objects += objects_from_wire(page)
        pages += 1
        next_link = page.get("@odata.nextLink")
        if not isinstance(next_link, str):
            return objects, True
        request = request_for(next_link)
    return objects, False
