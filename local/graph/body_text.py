"""What an HTML body reads as, for `bodyPreview` and for bodies that are asked for as text.

Graph sets what stands in different blocks on lines of their own, parted by CR LF, as in the preview of a Teams meeting.
The rest is not documented; here lines without text are left out.
"""

import html
import re

_UNSEEN = re.compile(r"<!--.*?-->|<(head|style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(
    r"<(?:br|/?(?:article|blockquote|center|d[dlt]|div|h[1-6r]|li|ol|p|pre|section|table|t[dhr]|ul))\b[^>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^>]*>")


def text_of(markup: str) -> str:
    """The text that a reader of `markup` sees, line by line."""
    visible = " ".join(_UNSEEN.sub("", markup).split())
    lines = (html.unescape(_TAG.sub("", line)).strip() for line in _BREAK.sub("\n", visible).split("\n"))
    return "\r\n".join(line for line in lines if line)
