"""A tiny language model made by a seed, for llama.cpp: `python tiny_model.py FILE`.

It knows no language; what it says of itself holds for every model: it counts tokens, has a window,
streams, ends, and picks of its tokens only those that a grammar allows. It never ends by itself, so
that an answer without a schema always reaches its limit; under a schema it soon closes a string and
an object, so that a record is short.

It needs `gguf` alone, and nothing of llmwidgets: the server's environment runs it.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path

import gguf
import numpy as np

SEED = 20261128
WINDOW = 8192
_LAYERS, _WIDTH, _INNER, _HEADS = 2, 64, 128, 4
_UNKNOWN, _BEGIN, _END = 0, 1, 2
_PRINTABLE, _CLOSING, _NEVER = 3.0, 8.0, -100.0
"""Logits that are added: of characters beside bytes, of what ends a record, of what is not said.

Not said, unless a grammar allows nothing else: the end of a text; and what makes of a string or a
number one that JSON does not have, though the server's grammar does: bare controls, half a pair of
surrogates, an exponent of six digits.
"""
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "assistant: "
)


def vocabulary() -> tuple[list[str], list[int]]:
    """The tokens and their types: three of control, every byte, every printable character."""
    kind = gguf.TokenType
    tokens, types = ["<unk>", "<s>", "</s>"], [kind.UNKNOWN, kind.CONTROL, kind.CONTROL]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    types += [kind.BYTE] * 256
    # A space is spelled so in vocabularies of this kind.
    tokens += ["\u2581", *string.digits, *string.ascii_letters, *string.punctuation]
    types += [kind.NORMAL] * (len(tokens) - len(types))
    return tokens, types


def write_model(path: Path) -> None:
    """Write the model; the same bytes each time."""
    tokens, types = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_eos_token_id(_END)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(_TEMPLATE)
    for name, values in _weights(tokens).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(tokens: list[str]) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(SEED)

    def random(*shape: int) -> np.ndarray:
        return drawn.normal(0, 0.1, shape).astype(np.float32)

    ones = np.ones(_WIDTH, dtype=np.float32)
    weights = {"token_embd.weight": random(len(tokens), _WIDTH)}
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        weights |= {f"{block}.attn_norm.weight": ones, f"{block}.ffn_norm.weight": ones}
        for part in ("q", "k", "v", "output"):
            weights[f"{block}.attn_{part}.weight"] = random(_WIDTH, _WIDTH)
        weights[f"{block}.ffn_gate.weight"] = random(_INNER, _WIDTH)
        weights[f"{block}.ffn_up.weight"] = random(_INNER, _WIDTH)
        weights[f"{block}.ffn_down.weight"] = random(_WIDTH, _INNER)
    weights["output_norm.weight"] = ones
    # One channel is the same at every place, so that its weights are added to the logits.
    weights["token_embd.weight"][:, 0] = 2.0
    logits = random(len(tokens), _WIDTH)
    logits[:, 0] = 0.0
    logits[tokens.index("\u2581") :, 0] = _PRINTABLE
    logits[[tokens.index(token) for token in '"}],'], 0] = _CLOSING
    unsaid = [tokens.index(f"<0x{byte:02X}>") for byte in (*range(32), 127, *rb"eE\\")]
    unsaid += [tokens.index(token) for token in "eE\\"]
    logits[[_UNKNOWN, _BEGIN, _END, *unsaid], 0] = _NEVER
    logits[:, 0] /= np.sqrt(_WIDTH)
    weights["output.weight"] = logits
    return weights


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
