"""Recognises a browser that was talked into typing at a console.

A web page can make a browser POST to any TCP port of its own machine, and a console
would take the body for keystrokes. The request line gives it away.
"""

import re
from typing import Final

# The second form is a request line that fills the whole segment: a page may choose a
# path so long that "HTTP/1" only comes later. Nobody types 500 characters after a verb.
_REQUEST_LINE: Final = re.compile(
    rb"[A-Z]{3,16} (?:[^ \r\n]++ HTTP/1|/[^ \r\n]{500,}+\Z)",
)


def looks_like_http(first: bytes) -> bool:
    """Tell from the first bytes that a peer sent."""
    return _REQUEST_LINE.match(first) is not None
