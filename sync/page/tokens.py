"""Proof that a form was made by this app, for this action, a short while ago. Pure, and nothing is stored.

A page elsewhere can have a person's browser post a form here, but cannot know the token that belongs in it: that is an
HMAC over action, subject and expiry, under a key that is derived from a secret of the app's settings.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

VALID = timedelta(minutes=10)
"""For how long a confirmation may be left lying before it is given."""

_PURPOSE = b"bookingsync status page"


def token_for(action: str, subject: str, secret: str, now: datetime) -> str:
    """A token for one action on one subject, valid from `now` (aware UTC)."""
    expiry = int((now + VALID).timestamp())
    return f"{expiry}.{_proof(action, subject, expiry, secret)}"


def is_valid(token: str, action: str, subject: str, secrets: Sequence[str], now: datetime) -> bool:
    """Whether a token is for this action on this subject and has not expired; also under the secret before."""
    expiry_text, _, proof = token.partition(".")
    if not (expiry_text.isascii() and expiry_text.isdigit()) or len(expiry_text) > 12:
        return False
    expiry = int(expiry_text)
    proofs = [_proof(action, subject, expiry, secret) for secret in secrets]
    return any(hmac.compare_digest(one.encode(), proof.encode()) for one in proofs) and now.timestamp() < expiry


def is_same_origin(headers: Mapping[str, str], url: str) -> bool:
    """Whether a request may have come from a page of our own at `url`. Header names in lower case.

    Browsers say where a request comes from in Sec-Fetch-Site; older ones in Origin, which our own pages leave at
    `null`, because they tell nobody their address (Fetch standard, append a request Origin header). Who sends
    neither is no browser, and acts for nobody but who started it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    own, theirs = urlsplit(url), urlsplit(origin)
    return (theirs.scheme, theirs.netloc.lower()) == (own.scheme, own.netloc.lower())


def _proof(action: str, subject: str, expiry: int, secret: str) -> str:
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    # A length before each part, so that no two pairs of action and subject read the same.
    message = "".join(f"{len(part)}:{part}" for part in (action, subject, str(expiry)))
    return hmac.digest(key, message.encode(), "sha256").hex()
