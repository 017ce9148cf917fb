"""Every error says what happened in one line, and what an administrator can do about it."""

import pytest

from sync.core import errors
from sync.core.errors import (
    BreakerHeld,
    ConfigurationError,
    DoorDidNotAnswer,
    MailboxUnavailable,
    PermanentError,
    RejectedRequest,
    ServiceUnavailable,
    SyncError,
    Throttled,
    TransientError,
)

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, SyncError)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(SyncError("It failed."), "It failed.", id="the message alone"),
        pytest.param(
            ServiceUnavailable("It failed.", operation="event.get", status=503, code="busy", request_id="abc"),
            "It failed. (event.get, 503, busy)",
            id="with operation, status and the service's code",
        ),
        pytest.param(Throttled("Slow down.", status=429), "Slow down. (429)", id="with what there is"),
        pytest.param(RejectedRequest("Not JSON.", status=400), "Not JSON. (400)", id="with our own status"),
    ],
)
def test_a_reason_is_one_line_of_message_and_details(error: SyncError, reason: str) -> None:
    assert error.reason == reason


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_names_a_mend(kind: type[SyncError]) -> None:
    assert kind.mend.endswith(".") or "python -m sync" in kind.mend


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_stands_in_the_tree_that_the_module_draws(kind: type[SyncError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_waiting_is_no_mend_for_what_is_permanent() -> None:
    assert {one.mend for one in CLASSES if issubclass(one, PermanentError)}.isdisjoint({TransientError.mend})


def test_the_mends_that_take_a_person_say_where_to_look() -> None:
    assert "PUBLIC_URL" in DoorDidNotAnswer.mend
    assert "resumes by itself" in MailboxUnavailable.mend
    assert "python -m sync release" in BreakerHeld.mend


def test_a_configuration_error_lists_every_problem() -> None:
    error = ConfigurationError(["TENANT_ID is missing", "PUBLIC_URL is not a web address"])
    assert error.problems == ("TENANT_ID is missing", "PUBLIC_URL is not a web address")
    assert str(error) == ("The settings are not usable:\n  - TENANT_ID is missing\n  - PUBLIC_URL is not a web address")


def test_a_transient_error_carries_the_wait_it_was_told() -> None:
    assert Throttled("Slow down.", retry_after_seconds=12).retry_after_seconds == 12
    assert Throttled("Slow down.").retry_after_seconds is None


def test_request_ids_are_kept_for_the_vendors_support() -> None:
    assert SyncError("It failed.", request_id="abc").request_id == "abc"


def test_a_rejected_request_is_answered_with_its_status() -> None:
    assert RejectedRequest("Too large.", status=413).http_status == 413
