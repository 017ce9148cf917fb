"""An order is taken from nobody but a form of ours, filled in a short while ago."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.page.tokens import VALID, is_same_origin, is_valid, token_for

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SECRET, OTHER = "s" * 32, "t" * 32
OURS = "https://app.example/api/status"


def token(action: str = "resync", subject: str = "m-1", secret: str = SECRET) -> str:
    return token_for(action, subject, secret, NOW)


def is_taken(given: str, *, after: timedelta = timedelta(), secrets: tuple[str, ...] = (SECRET,)) -> bool:
    return is_valid(given, "resync", "m-1", secrets, NOW + after)


def test_a_token_is_good_for_what_it_was_made_for_until_it_expires() -> None:
    assert is_taken(token())
    assert is_taken(token(), after=VALID - timedelta(seconds=1))
    assert not is_taken(token(), after=VALID)


@pytest.mark.parametrize(
    "given",
    [
        token(action="release"),
        token(subject="m-2"),
        token(secret=OTHER),
        token("resyncm", "-1"),
        "",
        ".",
        "1.2",
        "١٢٣.ab",
        "9999999999.ü",
        f"{'9' * 5000}.ab",
        token().replace(".", ".0", 1),
        f"9{token()}",
    ],
    ids=lambda given: given[:20],
)
def test_any_other_token_is_refused(given: str) -> None:
    assert not is_taken(given)


def test_a_token_of_before_the_secret_was_rotated_is_still_good() -> None:
    assert is_taken(token(secret=OTHER), secrets=(SECRET, OTHER))


def test_a_token_says_nothing_of_the_secret_that_proves_notifications() -> None:
    assert SECRET not in token()
    assert token() != token_for("resync", "m-1", OTHER, NOW)


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://app.example"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://app.example"}, True),
        ({"origin": "https://APP.example"}, True),
        ({"origin": "http://app.example"}, False),
        ({"origin": "https://app.example:8443"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
def test_another_site_cannot_send_an_order(headers: dict[str, str], is_ours: bool) -> None:
    assert is_same_origin(headers, OURS) is is_ours
