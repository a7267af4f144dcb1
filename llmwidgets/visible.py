"""Visible: a text whose unseen controls are spelled out, so that none of them acts when shown.

What a server said or a document holds can move a terminal's cursor, ring its bell, set its title,
or turn the order of a line around. Writing in any script, from right to left as well, stays as it
is: only characters that command are replaced.
"""

from __future__ import annotations

import re
from html import escape

# C0 but tab and line feed, DEL, C1; marks, embeddings and isolates of direction, with the old
# ones beside them; separators of lines and paragraphs; anchors of annotations; half characters,
# which no terminal can be sent.
_ACTING = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def escape_controls(text: str) -> str:
    r"""The text with each acting character replaced by its picture or its number.

    Tabs and line ends stay.

    >>> visible("red\x1b[31m, \u202edesrever")
    'red␛[31m, ⟨U+202E⟩desrever'
    """
    return _ACTING.sub(_spelled, text)


def escape_in_place(text: str) -> str:
    """The same, one character for each, for a text in which places are counted."""
    return _ACTING.sub(lambda found: _PICTURES.get(found[0], "\ufffd"), text)


def escape_html(text: str) -> str:
    """The text as HTML shows it: nothing of it is a tag, and nothing of it acts."""
    return escape(escape_controls(text))


_PICTURES = {**{chr(code): chr(0x2400 + code) for code in range(0x20)}, "\x7f": "␡"}


def _spelled(found: re.Match[str]) -> str:
    return _PICTURES.get(found[0]) or f"⟨U+{ord(found[0]):04X}⟩"
