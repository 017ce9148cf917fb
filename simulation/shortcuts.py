"""What the app's clients compute anew for each request is computed once, to play more histories in a minute.

Both shortcuts remember pure functions, deep in the libraries under the clients, so that these ask and answer as ever.
"""

from functools import lru_cache
from typing import Any

from httpx import _urls
from httpx._urlparse import urlparse
from stduritemplate import StdUriTemplate

REMEMBERED = 4096


def take_shortcuts() -> None:
    """For the whole process, once."""
    setattr(_urls, "urlparse", lru_cache(REMEMBERED)(urlparse))  # noqa: B010 - the module does not export it
    expand = StdUriTemplate.expand
    known: dict[tuple[str, str], str] = {}

    def expand_once(template: str, substitutions: dict[str, Any]) -> str:
        key = (template, repr(substitutions))
        if key not in known:
            known[key] = expand(template, substitutions)
        return known[key]

    setattr(StdUriTemplate, "expand", staticmethod(expand_once))  # noqa: B010 - to replace a method, as is meant here
