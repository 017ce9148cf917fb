"""One way to call Azure Storage: bounded in time, and failing in our own words.

Both storage adapters use it, so that "storage cannot be reached" reads the same for queues and tables. It is on the
acknowledging path: it imports `azure.core` only, which every Azure client loads anyway.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azure.core.exceptions import AzureError, HttpResponseError

from sync.core.errors import ServiceUnavailable


@asynccontextmanager
async def storage_call(subject: str, deadline_seconds: float) -> AsyncIterator[None]:
    """Run the SDK calls inside within one deadline; what they raise becomes `ServiceUnavailable`, the cause chained.

    `subject` names what is called, such as "queue event-changes". The deadline covers everything below it: name
    lookup, token, connection, the SDK's own retry. An answer that the caller understands it catches inside.
    """
    try:
        async with asyncio.timeout(deadline_seconds):
            yield
    except TimeoutError as error:
        raise ServiceUnavailable(f"{subject} did not answer within {deadline_seconds:g} s") from error
    except AzureError as error:
        raise _unavailable(subject, error) from error


def _unavailable(subject: str, error: AzureError) -> ServiceUnavailable:
    """Only names and numbers: an SDK message may carry an address with a signature in it."""
    if not isinstance(error, HttpResponseError) or error.response is None:
        return ServiceUnavailable(f"{subject} cannot be reached: {type(error).__name__}")
    denied = error.status_code in (401, 403)
    headers = getattr(error.response, "headers", {})  # missing in the SDK's type of a response
    return ServiceUnavailable(
        f"{subject} {'denies access: give the app a data role on it (docs/deploy.md)' if denied else 'failed'}",
        status=error.status_code,
        code=headers.get("x-ms-error-code", ""),
        request_id=headers.get("x-ms-request-id", ""),
    )
