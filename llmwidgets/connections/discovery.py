"""Finds connections in policy files and variables, and keys in other tools' files.

Nothing looks into other tools' files before it is asked to, and nothing is written but into the
store.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection, make_connection, replace_parts
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Kind, Preset, Provider
from llmwidgets.providers.presets import find_preset, preset_at, preset_endpoint
from llmwidgets.providers.vertex_ai import PROVIDER as _GOOGLE
from llmwidgets.providers.vertex_ai import gcloud_login
from llmwidgets.secret import LARGEST, Secret, decode_secret

if TYPE_CHECKING:
    from llmwidgets.store.store import Store


def environment_connections() -> list[Connection]:
    """What policy files provide, then what variables connect: one of each kind and preset.

    Those of variables are labelled by the kind, the deployment or the preset; a variable that is
    empty or unusable gives nothing. Of one label the first counts: the file's, then the kind's.
    Values are looked up again at each use. Policy files may forbid variables
    (`environment = false`).
    """
    layers = machine_rules()
    forms = (form for rules in layers for form in rules.connections)
    found: list[Connection | None] = [make_connection(form, origin="policy") for form in forms]
    if all(rules.environment for rules in layers):
        found += map(_connect_variables, PROVIDERS.values())
        found += (_connect_preset(*each) for each in _PRESETS)
    first: dict[str, Connection] = {}
    for connection in filter(None, found):
        first.setdefault(connection.label, connection)
    return list(first.values())


def _connect_variables(provider: Provider) -> Connection | None:
    """The connection that the variables of a kind make; None if they are empty or unusable."""
    kind, own, fields = provider.kind, provider.model_field, _variable_fields(provider)
    if fields is None:
        return None
    with suppress(FieldError):
        return Connection(kind, **fields).with_origin("environment")
    if own is None or fields.get(own):
        return None
    return _connect_any_model(provider, kind, fields)


def _variable_fields(provider: Provider) -> dict[str, Any] | None:
    """What the variables of a kind fill in; None if none of them signs in."""
    variables = provider.environment
    key = next((f"env:{name}" for name in variables.keys if not _is_empty(name)), "")
    file = _value(variables.file) if variables.file else ""
    if file and os.path.isfile(os.path.expanduser(file)):
        key = f"file:{file}"
    ways = (way for name, way in variables.signs_in.items() if not _is_empty(name))
    signs_in = next(ways, None)
    fields: dict[str, Any] = dict(variables.plain_fields(_value))
    if not key and not signs_in:
        return None
    signed = {provider.key_field: Secret(key)} if key else {"sign_in": signs_in}
    return fields | signed


def _connect_preset(provider: Provider, preset: Preset) -> Connection | None:
    """The connection that the variables of a preset make; the reference names its model.

    None if they are empty or unusable: the key goes to the preset's own host or nowhere.
    """
    if _is_empty(preset.variable):
        return None
    endpoint = preset_endpoint(preset, _value(preset.place_variable))
    fields = {"endpoint": endpoint, provider.key_field: Secret(f"env:{preset.variable}")}
    return _connect_any_model(provider, preset.slug, fields)


def _connect_any_model(
    provider: Provider, label: str, fields: Mapping[str, Any]
) -> Connection | None:
    """The connection to a server whose variables name no model: the reference names it."""
    with suppress(FieldError):
        named = {**fields, provider.model_field or "": "*"}
        connection = Connection(provider.kind, label=label, **named)
        return replace_parts(connection, origin="environment", any_model=True)
    return None


def explain_variables(name: str) -> tuple[str, str]:
    """Why the variables of a kind or preset connect nothing, and what to do; empty if none is set.

    A sentence about the one that is empty, missing, unusable or forbidden; it repeats no value.
    """
    provider, preset = PROVIDERS.get(name), find_preset(name)
    keys = provider.environment.keys if provider else ()
    place = preset.place_variable if preset and not keys else ""
    named = (preset.variable, place) if preset and not keys else keys
    if empty := next((each for each in named if each in os.environ and _is_empty(each)), ""):
        what = "its value" if empty == place else "the key"
        said = f"The variable {empty} is set but empty."
        return said, f"Put {what} into {empty} before Jupyter starts."
    key = next((each for each in named if each != place and not _is_empty(each)), "")
    if not key:
        return "", ""
    if forbid := next((each.whose for each in machine_rules() if not each.environment), ""):
        return f"{key} is set, but {forbid} lets no variable connect anything.", (
            "Ask whoever keeps that file."
        )
    if preset and place:
        wanted = next(iter(preset.extra.values()))
        return f"{key} is set, but {place} does not name a host of {preset.title}.", (
            f"Set {place} to {wanted} before Jupyter starts."
        )
    return _misfit_of(provider, key) if provider else ("", "")


def _misfit_of(provider: Provider, key: str) -> tuple[str, str]:
    """What is wrong with the first field that the variables of a kind do not fill in."""
    variables, own = provider.environment.beside, provider.model_field
    named = {own: "*"} if own else {}
    try:
        Connection(provider.kind, **(named | (_variable_fields(provider) or {})))
    except FieldError as error:
        field, said = next(iter(error.problems.items()))
        step = f"Set {variables.get(field, key)} before Jupyter starts."
        return f"{key} is set, but connects nothing: {said}", step
    return "", ""


def _is_empty(name: str) -> bool:
    return not _value(name).strip("\"'\ufeff\u200b \t")


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()


_Pairs = Callable[[], Iterable[tuple[str, Any]]]
"""Names and values of a source; behind a call, so that no frame keeps them."""

_PRESETS = [(kind, each) for kind in PROVIDERS.values() for each in kind.presets if each.variable]
_KEYS = {name for kind in PROVIDERS.values() for name in (*kind.environment.keys, *kind.llm_names)}
_KEYS |= {preset.variable for _, preset in _PRESETS}
_PLAIN = {
    name
    for provider in PROVIDERS.values()
    for names in (provider.environment.beside, provider.environment.stand_ins)
    for name in names.values()
}
_PLAIN |= {preset.place_variable for _, preset in _PRESETS}


@dataclass(frozen=True, slots=True, eq=False)
class KeyCandidate:
    """A key found elsewhere: its kind, where, a label, the key closed, and a note.

    `reference` is what can be saved instead of a copy (`env:NAME`, `file:PATH`), else empty.
    `plain` is the file with the key in clear, None for a variable. `beside` are the plain fields
    that belong to it, an endpoint say.
    """

    kind: Kind
    where: str
    label: str
    secret: Secret
    note: str = ""
    reference: str = ""
    plain: Path | None = None
    beside: Mapping[str, str] = field(default_factory=dict)

    def connection(self, *, as_reference: bool = False, **more: Any) -> Connection:
        """The connection it makes: with a copy of the key, or only a reference to its place.

        FieldError for what `more` still has to name (an Azure deployment, say), and if nothing
        can refer to the place.
        """
        secret = self.closed(as_reference=as_reference)
        # The label of a preset's variable stays its own: what is saved is called as its model.
        label = None if self._preset else self.label
        fields = {"label": label, **self.beside, self.field: secret, **more}
        return Connection(self.kind, **fields)

    @property
    def _preset(self) -> Preset | None:
        return preset_at(self.beside.get("endpoint", ""))

    @property
    def title(self) -> str:
        """What it connects, as people call it: the preset's or the kind's title."""
        return (self._preset or PROVIDERS[self.kind]).title

    @property
    def field(self) -> str:
        """The field of the form that the key belongs in."""
        return PROVIDERS[self.kind].key_field

    @property
    def tail(self) -> str:
        """The key's last characters; none of a file of credentials, whose end says nothing."""
        return "" if PROVIDERS[self.kind].environment.file else self.secret.tail

    @property
    def incomplete(self) -> bool:
        """Whether a connection needs more than what lies there: an Azure deployment, say."""
        return bool(_missing(PROVIDERS[self.kind], self.beside))

    def closed(self, *, as_reference: bool = False) -> Secret:
        """The key, or a reference to its place; FieldError if it cannot be referred to."""
        if as_reference and not self.reference:
            raise FieldError(
                {"reference": f"A key in {self.where} cannot be referred to."},
                "Save a copy, then delete it there.",
            )
        return Secret(self.reference) if as_reference else self.secret

    def take(
        self, store: Store, *, as_reference: bool = False, replace: bool = False, **more: Any
    ) -> str:
        """Save it in the store; returns what to do with the plain one, in a sentence.

        AlreadyConnected, StoreLocked, FieldError as with `store.save`.
        """
        connection = self.connection(as_reference=as_reference, **more)
        store.save(connection, replace=replace)
        return self.afterwards(connection.label, as_reference=as_reference)

    def afterwards(self, label: str, *, as_reference: bool) -> str:
        """What to do with the plain one, now that the connection of this label is saved."""
        if as_reference:
            return f"{label} is looked up in {self.where} at each use: keep it there."
        if self.plain is None:
            return f"{label} is saved. The variable is no longer needed: {self.note}"
        return (
            f"{label} is saved. {self.plain} still contains the key in clear: delete it "
            "there once nothing else reads it."
        )


def find_keys_of_other_tools(folder: Path | None = None) -> list[KeyCandidate]:
    """The keys of variables and of other tools' files, each once a place; read when called.

    `.env` files are looked for in `folder` (by default the kernel's) and above it, up to the
    root of its repository or to the folder of the Jupyter server, where Jupyter AI 3 keeps its
    own, whichever is further up. A key that is in two places is offered twice, so that both are
    known.
    """
    candidates = _make_candidates(os.environ.items, "the environment")
    named = os.environ.get(_GOOGLE.environment.file, "").strip()
    if named:
        note = f"{_GOOGLE.environment.file} names it."
        candidates += _read_credentials(Path(os.path.expanduser(named)), note)
    for path in _dot_env(folder or Path.cwd()):
        candidates += _make_candidates(_assignments(path), f"{path}", path)
    llm = _tool_folder(
        "LLM_USER_PATH",
        "io.datasette.llm",
        mac="~/Library/Application Support/io.datasette.llm",
        xdg="XDG_CONFIG_HOME",
        linux="~/.config",
    )
    keys = llm / "keys.json"
    candidates += _make_candidates(_items(_read_json(keys)), f"LLM's {keys}", keys, llm=True)
    jupyter = _tool_folder(
        "JUPYTER_DATA_DIR",
        "jupyter",
        mac="~/Library/Jupyter",
        xdg="XDG_DATA_HOME",
        linux="~/.local/share",
    )
    config, dot_env = jupyter / "jupyter_ai" / "config.json", jupyter / "jupyter_ai" / ".env"
    candidates += _make_candidates(_api_keys(config), f"Jupyter AI's {config}", config)
    candidates += _make_candidates(_assignments(dot_env), f"Jupyter AI's {dot_env}", dot_env)
    return candidates + _read_credentials(Path(gcloud_login()))


def _is_value(text: str) -> bool:
    """Whether it is a key itself, and neither a reference nor what a shell would put in place."""
    start = text.strip("\"'\ufeff\u200b \t\r\n")
    odd = start.startswith(("env:", "file:", "op://", "$", "`")) or "\ufffd" in start
    return bool(start) and not odd


def _make_candidates(
    pairs: _Pairs, where: str, plain: Path | None = None, *, llm: bool = False
) -> list[KeyCandidate]:
    """A candidate for each key of a source; the tool LLM has names of its own for them.

    A value that reads as a reference is left out: it could name any file of the user's, and
    whoever wrote the source decides where the key is sent.
    """
    keys = {
        name: Secret(value)
        for name, value in pairs()
        if name in _KEYS and isinstance(value, str) and _is_value(value)
    }
    others = {
        name: value
        for name, value in pairs()
        if name in _PLAIN and isinstance(value, str) and value and not llm
    }
    found: list[tuple[Provider, str, str, dict[str, str]]] = []
    for provider in PROVIDERS.values():
        beside = provider.environment.plain_fields(lambda name: others.get(name, ""))
        label = beside.get(provider.model_field or "", provider.kind)
        names = provider.llm_names if llm else provider.environment.keys
        found += [(provider, name, label, beside) for name in names]
    for provider, preset in () if llm else _PRESETS:
        endpoint = preset_endpoint(preset, others.get(preset.place_variable, ""))
        beside = {"endpoint": endpoint} if endpoint else {}
        found.append((provider, preset.variable, preset.slug, beside))
    return [
        KeyCandidate(
            provider.kind,
            f"{name} in {where}",
            label,
            keys[name],
            note=_note(name, provider, plain, beside),
            reference="" if plain else f"env:{name}",
            plain=plain,
            beside=beside,
        )
        for provider, name, label, beside in found
        if name in keys
    ]


def _missing(provider: Provider, beside: Mapping[str, str]) -> list[str]:
    """The plain fields that the form asks for and the source does not contain."""
    return [name for name in provider.required if name not in beside]


def _note(name: str, provider: Provider, plain: Path | None, beside: Mapping[str, str]) -> str:
    missing = _missing(provider, beside)
    needs = f"It still needs {' and '.join(missing)}." if missing else ""
    if plain is None:
        return f"unset {name} where it is set, in your shell's profile say. {needs}".rstrip()
    sent = f"It is sent to {beside['base_url']}." if "base_url" in beside else ""
    can_read = os.name != "nt" and bool(stat.S_IMODE(plain.stat().st_mode) & 0o077)
    shared = "Other users of this computer can read the file." if can_read else ""
    return " ".join(filter(None, (needs, sent, shared)))


def _read_credentials(path: Path, note: str = "") -> list[KeyCandidate]:
    opened, _ = decode_secret(_read_bytes(path))
    if opened is None or not opened().lstrip().startswith("{"):
        return []
    secret = Secret(opened())
    kind = secret.public_part("type")
    if kind not in {"authorized_user", "service_account"}:
        return []
    whose = "A login of yours." if kind == "authorized_user" else "A service account's key."
    has_project = secret.public_part("project_id") or secret.public_part("quota_project_id")
    project = "" if has_project else "It names no project: give project=…."
    return [
        KeyCandidate(
            _GOOGLE.kind, f"{path}", _GOOGLE.kind, secret,
            " ".join(filter(None, (whose, project, note))), reference=f"file:{path}", plain=path,
        )
    ]  # fmt: skip


def _dot_env(folder: Path) -> list[Path]:
    above = [folder, *folder.parents]
    root = next((n for n, path in enumerate(above) if (path / ".git").exists()), 0)
    top, server = 0, os.environ.get("JPY_PARENT_PID", "")
    # The folder that the Jupyter server of this kernel was started in is the one that it shows.
    with suppress(OSError, ValueError):
        top = above.index(Path(os.readlink(f"/proc/{int(server)}/cwd")))
    return [path / ".env" for path in above[: max(root, top) + 1]]


def _tool_folder(variable: str, name: str, *, mac: str, xdg: str, linux: str) -> Path:
    """The folder that a variable names, else where a tool puts it on this system."""
    named = os.environ.get(variable)
    if named:
        return Path(os.path.expanduser(named))
    if sys.platform == "darwin":
        return Path(mac).expanduser()
    windows = sys.platform == "win32"
    parent = os.environ.get("APPDATA", "~") if windows else os.environ.get(xdg) or linux
    return Path(os.path.expanduser(parent), name)


def _read_bytes(path: Path) -> memoryview:
    """A plain file's bytes; none for one that is absent, closed, large or not a file."""
    with suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST:
            return memoryview(path.read_bytes())
    return memoryview(b"")


_ASSIGNED = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*"""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>[^\r\n]*))""",
    re.M | re.S,
)
"""An assignment as shells and dotenv read it: between quotes the value can go over lines."""


def _assignments(path: Path) -> _Pairs:
    """The NAME=value lines of a `.env`, without quotes and comments."""
    content = _read_bytes(path)
    opened, _ = decode_secret(content)
    # One odd byte, in a comment say, does not hide the keys of the other lines.
    text = opened or (lambda: bytes(content).decode("utf-8", "replace"))

    def pairs() -> Iterator[tuple[str, str]]:
        for match in _ASSIGNED.finditer(text()):
            bare = (match["bare"] or "").partition(" #")[0].strip()
            yield match["name"], match["single"] or match["double"] or bare

    return pairs


def _api_keys(path: Path) -> _Pairs:
    """The keys of Jupyter AI's config.json, by the names of variables."""
    document = _read_json(path)
    return _items(document.get("api_keys") if isinstance(document, dict) else None)


def _read_json(path: Path) -> Any:
    opened, _ = decode_secret(_read_bytes(path))
    try:
        return json.loads(opened()) if opened else {}
    except (ValueError, RecursionError):
        return {}


def _items(table: Any) -> _Pairs:
    return table.items if isinstance(table, dict) else lambda: ()
