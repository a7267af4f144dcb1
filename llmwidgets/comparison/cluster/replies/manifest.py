"""The manifest of a run's folder: whose replies it holds, so that others never get between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.texts.text_files import TextFiles
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError

MANIFEST = "run.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What all runs in one folder have in common; `texts` is a hash of the texts' identity."""

    texts: str
    texts_a_chunk: int
    repeats: int
    format: int = _FORMAT


def identify_texts(texts: Iterable[Document], files: TextFiles | None) -> str:
    """A hash of ids and words; texts by reference are known by their ids and row groups alone.

    A text that changes in its file all the same is asked anew, since its reply's key differs.
    """
    groups = [] if files is None else [each.groups for each in files.files]
    whole = hashlib.sha256(json.dumps(groups).encode())
    for text in texts:
        for words in (text.id, "" if files is not None else text.text):
            whole.update(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest())
    return whole.hexdigest()


def claim_folder(folder: RunFolder, manifest: Manifest) -> int:
    """Have the folder for runs of these texts; FieldError if it has replies of others.

    Returns how many texts a chunk of the folder has: those of the first run, with whatever workers.
    """
    data = json.dumps(asdict(manifest), indent=1).encode()
    if folder.write_new(MANIFEST, data):
        return manifest.texts_a_chunk
    found = _read(folder.read(MANIFEST))
    if found is None:
        problem = f"its {MANIFEST} was not written by a run."
    elif found.get("format") != _FORMAT:
        problem = "it was written by another version of llmwidgets."
    elif found.get("texts") != manifest.texts:
        problem = "it has the replies of other texts."
    elif found.get("repeats") != manifest.repeats:
        problem = "it has the replies of a run with another number of repeats."
    elif not isinstance(size := found.get("texts_a_chunk"), int) or size < 1:
        problem = f"its {MANIFEST} was changed by hand."
    else:
        return size
    raise FieldError(
        {"journal": f"{folder.place} cannot be used: {problem}"}, "Give a folder of its own."
    )


def _read(data: bytes | None) -> dict[str, object] | None:
    try:
        found = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
