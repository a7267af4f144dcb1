"""Cut input: whether a server read a part of the text only, told by its own count of tokens.

Ollama and others cut what is longer than their context, and answer as if nothing were missing.
"""

from __future__ import annotations

import re

from llmwidgets.connections.connection import Connection
from llmwidgets.engine.estimate import count_tokens_in, tokens_in
from llmwidgets.engine.request_builder import Document, RequestBuilder
from llmwidgets.errors import CutInput

_SMALLEST = 1500
_WORD = re.compile(r"[^\W\u1100-\uffff]+")
_REPEATED = re.compile(r"([\W_])\1+")
_WINDOWS = frozenset(2**power * part // 2 for power in range(11, 18) for part in (2, 3))
# Measured ranges of tokenizers: a count of characters is at most this far above theirs.
_LEAST, _LEAST_WORDS, _AT_A_WINDOW = 0.6, 0.8, 1.1


def cut_input(
    connection: Connection, manner: RequestBuilder, text: Document, read: int | None
) -> CutInput | None:
    """The failure of an answer to a part of the text; None where nothing shows that it is one.

    `read` is the number of tokens that the server says it read, of the whole question. Only
    servers of the user's own are doubted: the vendors refuse what is too long.
    """
    hosted = connection.provider.self_hosted
    if not hosted or read is None or len(text.text) < 2 * _SMALLEST:
        return None
    # Rulers and blanks are a token however long they are.
    document = count_tokens_in(_REPEATED.sub(r"\1", text.text))
    if document < _SMALLEST:
        return None
    words = sum(1 for _ in _WORD.finditer(text.text))
    far_below = read < max(_LEAST * document, _LEAST_WORDS * words)
    filled = read in _WINDOWS and read * _AT_A_WINDOW < document
    return _failure(connection, manner, text, read) if far_below or filled else None


def _failure(connection: Connection, manner: RequestBuilder, text: Document, read: int) -> CutInput:
    ollama = connection.host.endswith(":11434")
    likely = round(tokens_in(manner, text).likely, -2)
    return CutInput(
        f"{'Ollama' if ollama else 'The server'} read {read:,} of about {likely:,} tokens.",
        "Set OLLAMA_CONTEXT_LENGTH to a larger number, and start Ollama anew."
        if ollama
        else "Give the server a larger context (Ollama: OLLAMA_CONTEXT_LENGTH).",
    )
