"""Refusals of the simulated service: status, code and message as Graph gives them.

Source: Graph documentation, errors (codes and body), and the Outlook API for the codes that begin with Error.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(eq=False)
class GraphError(Exception):
    """An answer other than success."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, *, at: datetime, request_id: str, client_request_id: str) -> dict[str, Any]:
        """The error document, with `at` to the second."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": {
                    "date": at.strftime("%Y-%m-%dT%H:%M:%S"),
                    "request-id": request_id,
                    "client-request-id": client_request_id,
                },
            }
        }


def invalid_request(message: str, code: str = "ErrorInvalidRequest") -> GraphError:
    return GraphError(400, code, message)


def item_not_found() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def malformed_id(reason: str) -> GraphError:
    return GraphError(400, "ErrorInvalidIdMalformed", f"Id is malformed. {reason}")


def user_not_found(user: str) -> GraphError:
    message = f"Resource '{user}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)


def mailbox_not_enabled() -> GraphError:
    message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
    return GraphError(404, "MailboxNotEnabledForRESTAPI", message)


def save_conflict() -> GraphError:
    message = (
        "Conflicts occurred during saving data to store (saveresult: IrresolvableConflict). Please retry the request."
    )
    return GraphError(503, "ConcurrentItemSave", message)


def access_denied() -> GraphError:
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
