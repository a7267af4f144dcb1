"""What models enforce, kept in the run's folder: a run that goes on need not find it out again."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.request_builder import ResolvedVariant


def keep_capability(folder: RunFolder, variant: ResolvedVariant, known: Capability) -> None:
    """Keep what a probe found; not what it could not tell."""
    if not known.doubt:
        said = {"form": known.form, "mode": known.mode, "tried": known.tried}
        folder.write(_capability_name(variant), json.dumps(said).encode())


def recall_capability(folder: RunFolder, variant: ResolvedVariant) -> Capability | None:
    """What an earlier run found."""
    data = folder.read(_capability_name(variant))
    with suppress(ValueError, KeyError, TypeError):
        said = json.loads(data or b"")
        tried = tuple(
            (ResponseFormat(form), str(how), bool(kept)) for form, how, kept in said["tried"]
        )
        return Capability(ResponseFormat(said["form"]), Enforcement(said["mode"]), tried)
    return None


def _capability_name(variant: ResolvedVariant) -> str:
    who = f"{variant.connection.kind} {variant.target.url} {variant.model}"
    return f"capability/{hashlib.sha256(who.encode()).hexdigest()[:16]}.json"
