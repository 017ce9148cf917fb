"""Every switch of the Graph simulator, with its default.

A switch stands for something the service does now and then, or for a behaviour that its documentation leaves open
(marked *open*): the app must be right under every setting. Probabilities are numbers from 0 to 1.
"""

from typing import Any

SWITCHES: dict[str, Any] = {
    # Notifications. One change raises a burst of `burst` notifications: 1 to 4, or "random".
    "burst": "random",
    # The notifications of a burst leave within this many seconds after `delay_seconds`.
    "burst_spread_seconds": 0.3,
    "delay_seconds": 0.1,
    # Probability that a notification is sent twice, and that it is never sent.
    "repeat": 0.1,
    "lose": 0.0,
    # Whether notifications of a burst change places, and whether due ones to one address share a POST.
    "reorder": True,
    "batch": True,
    # An update may arrive as `created` and `updated`, and a type that nobody subscribed to may follow one that was.
    "change_type_noise": True,
    # Whether `deleted` is accompanied by `updated` for the same, dead id.
    "deleted_with_updated": False,
    # open: "same" as the etag of GET, or of an "other" form (stable per change in both cases).
    "notification_etag": "same",
    # open: whether writing an open extension raises `updated`.
    "extension_write_notifies": True,
    # open: what a move between calendars raises on a subscription that covers both and has immutable ids:
    # "deleted+created" with the same id, or "updated".
    "move_notifies": "deleted+created",
    # open: whether a changed occurrence notifies for the "master" alone or for "both" occurrence and master.
    "exception_notifies": "both",
    # Exponential backoff of refused notifications starts with this wait.
    "retry_base_seconds": 2.0,
    # Answers within ten minutes that it takes before an endpoint can become slow or dropped (figure of the 2023 page).
    "endpoint_minimum_answers": 100,
    # Subscriptions.
    # open: whether `users/{id}/events` (subscription, list and search) covers calendars other than the default one.
    "events_cover_all_calendars": False,
    # open: whether `users/{id}/calendar/events` can be subscribed to.
    "calendar_events_resource": False,
    # open: whether renewing and reauthorising validate the addresses anew.
    "renew_revalidates": False,
    # Subscriptions per page of their list.
    "subscription_page_size": 100,
    # Reading and writing events.
    # open: GET by immutable id of an event in Deleted Items: "404" or "200".
    "deleted_get": "404",
    # open: `If-Match` on PATCH and DELETE of events: "ignore" or "enforce".
    "if_match": "ignore",
    # open: whether a new time resets what attendees have answered.
    "time_change_resets_answers": False,
    # open: a repeated transactionId is answered with the first event "always", "while_it_lives", or "never".
    "transaction_id": "while_it_lives",
    # Probability that a new event with open extensions is stored without them and the answer is 503, a save conflict
    # (reported: msgraph-sdk-ruby 38).
    "create_conflict": 0.0,
    # open: `extensions` of an event without a matching one: "absent" or "empty".
    "extensions_when_none": "absent",
    # open: POST of an extension that exists: "replace" or "conflict" (409).
    "extension_post_twice": "replace",
    # Two documented forms of the id of an open extension; match on `extensionName`.
    "extension_id_prefix": "Microsoft.OutlookServices.OpenTypeExtension.",
    # open: the times of an all-day event in another zone: "floating" (always midnight) or the "instant", converted.
    "all_day": "floating",
    # Whether an event copied by a person keeps extensions and extended properties.
    "copy_keeps_marks": True,
    # Reads answer the state of this many seconds ago.
    "stale_read_seconds": 0.0,
    # Reads find nothing: True for all mailboxes, or a list of mailbox ids.
    "empty_reads": False,
    # Pages without entries, but with a link, that come before the first page of a search.
    "search_empty_pages": 0,
    # Delta.
    # open: a series comes with its master as an "item", or with occurrences "only".
    "delta_series_master": "item",
    # Items repeated within a page and in the next round.
    "delta_replay": False,
    # A round never ends: its last page with entries comes again and again, each time with a new link (reported:
    # msgraph-sdk-dotnet 3070 and 3082). True for all mailboxes, or a list of mailbox ids.
    "delta_endless": False,
    # Status of the answer to a dead delta token: 410, or another 40x.
    "delta_expired_status": 410,
    # Throttling per app and mailbox.
    "throttling": True,
    "concurrent_requests": 4,
    "requests_per_10_minutes": 10_000,
}
