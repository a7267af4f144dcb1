"""A broken set-up is answered with its class, a sentence, the next step and a tried fix."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from llmwidgets.connections import Connection, Policy
from llmwidgets.engine import capability, check, event_loop
from llmwidgets.engine.check import CheckReport, apply_fix, check_connection
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Clock
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.errors import FieldError
from tests.engine.conftest import FarEnd, Model, Seen, Wire, serving
from tests.engine.troubleshooting_cases import CASES, CHAT, PERTURBED, SetUp
from tests.servers import holding_port

SHARE = 0.95
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_KEY = "made-up-key-0001"


async def _go_on(_seconds: float) -> None:
    """A wait that takes no time."""


NO_WAITS = Clock(sleep=_go_on)


@dataclass
class Verdict:
    """What a check said of a set-up; `mended` is the report once the fix was applied."""

    set_up: SetUp
    status: str
    sentence: str
    hint: str
    fix: dict[str, str] | None
    wanted_fix: dict[str, str] | None
    mended: CheckReport | None = None

    @property
    def faults(self) -> list[str]:
        """What differs from the expected answer."""
        wanted, sentence, hint = self.set_up, self.sentence.lower(), self.hint.lower()
        found = [f"is {self.status}"] if self.status != wanted.expected else []
        found += [f"does not say {word!r}" for word in wanted.says if word.lower() not in sentence]
        found += [f"no hint of {word!r}" for word in wanted.hints if word.lower() not in hint]
        if self.fix != self.wanted_fix:
            found.append(f"fix {self.fix}")
        if self.mended is not None and not self.mended.ok:
            found.append(f"the fix does not mend: {self.mended.sentence}")
        return found


class FarServer:
    """The far end of a set-up: answers by its rules, or does to the socket what it says."""

    def __init__(self, set_up: SetUp) -> None:
        self.set_up, self.model = set_up, Model()
        if set_up.fault == "LM Studio":
            self.model.takes = {"json_schema", "text"}

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        fault = self.set_up.fault
        if fault == "silent":
            await asyncio.sleep(30)
        elif fault == "hang up":
            wire.close()
        elif fault == "nonsense":
            wire.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        elif fault == "redirect":
            wire.answer(None, 307, "location: https://elsewhere.example/v1\r\n")
        elif fault == "LM Studio":
            await self.model(seen, wire)
        else:
            await self._by_rules(seen, wire, fault)

    async def _by_rules(self, seen: Seen, wire: Wire, fault: str) -> None:
        if fault == "only this key" and seen.headers.get("authorization") != f"Bearer {_KEY}":
            wire.answer({"error": "Unauthorized"}, 401)
            return
        named = fault.removeprefix("only ") if fault.startswith("only ") else ""
        if named and seen.body and seen.json.get("model") == named:
            await self.model(seen, wire)
            return
        found = (rule for rule in self.set_up.server if rule[0] in seen.line)
        _, status, said = next(found, ("", 404, {"detail": "Not Found"}))
        if said is CHAT:
            await self.model(seen, wire)
        elif isinstance(said, str):
            wire.answer(said.encode(), status, "x-kind: page\r\n")
        else:
            wire.answer(said, status)


@dataclass
class Surroundings:
    """What all set-ups share: certificates, a key of a service account, a port nobody uses."""

    tls: ssl.SSLContext
    ca: str
    pem: str
    silent: int


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    authority, ca = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    with holding_port() as port:
        yield Surroundings(context, str(ca), pem, port)


def credentials(word: str, url: str, pem: str) -> str:
    """The credentials that a set-up names."""
    whole = {
        "type": "service_account", "project_id": "acme-claims", "private_key_id": "1",
        "private_key": pem, "client_email": "llm@acme-claims.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }  # fmt: skip
    made: dict[str, Callable[[], str]] = {
        "@good": lambda: json.dumps(whole),
        "@without private_key": lambda: json.dumps(
            {name: said for name, said in whole.items() if name != "private_key"}
        ),
        "@external_account": lambda: json.dumps({**whole, "type": "external_account"}),
        "@oauth client": lambda: json.dumps(
            {
                "installed": {"client_id": "1.apps", "project_id": "acme-claims"},
                "project_id": "acme",
            }
        ),
        "@damaged": lambda: json.dumps({**whole, "private_key": pem[:300] + pem[320:]}),
        "@half": lambda: json.dumps(whole)[:400],
    }
    return made[word]()


class _NoName(aiohttp.resolver.AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        raise OSError(-2, "Name or service not known")

    async def close(self) -> None:
        pass


@contextmanager
def world(set_up: SetUp, end: FarEnd, filled: Callable[[str], str]) -> Iterator[None]:
    """The environment of a set-up; nothing of it stays."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*_PROXIES, *(each.lower() for each in _PROXIES)):
            patch.delenv(name, raising=False)
        for name, said in set_up.environment.items():
            patch.setenv(name, filled(said))
        usual = (check.Usual("Ollama", end.port),) if set_up.fault == "usual port" else ()
        patch.setattr(check, "USUAL", usual)
        if set_up.fault == "silent":
            patch.setattr(egress, "SECONDS", 0.2)
        if set_up.fault == "dns":
            patch.setattr(aiohttp.connector, "DefaultResolver", lambda *_, **__: _NoName())
        capability.forget_capabilities()
        tokens.forget_tokens()
        yield
        event_loop.stop_engine()


def asked(set_up: SetUp, around: Surroundings) -> Verdict:
    """Set up, check, and apply the fix."""
    with serving(FarServer(set_up), around.tls if set_up.fault == "tls" else None) as end:
        url = f"http://127.0.0.1:{end.port}"

        def filled(said: Any) -> Any:
            if isinstance(said, str) and said.startswith("@"):
                return credentials(said, url, around.pem)
            if not isinstance(said, str):
                return said
            facts = {"url": url, "port": end.port, "ca": around.ca, "silent": around.silent}
            for name, value in facts.items():
                said = said.replace(f"{{{name}}}", str(value))
            return said

        with world(set_up, end, filled):
            wanted = {name: filled(said) for name, said in (set_up.fix or {}).items()} or None
            told = SetUp(
                **{name: getattr(set_up, name) for name in SetUp.__dataclass_fields__}
                | {"says": tuple(filled(each) for each in set_up.says)}
            )
            try:
                fields = {name: filled(said) for name, said in set_up.fields.items()}
                connection = Connection(set_up.kind, **fields)
            except FieldError as error:
                return Verdict(told, "FieldError", error.message, error.hint, None, wanted)
            report = event_loop.run_blocking(
                check_connection(connection, policy=Policy(), clock=NO_WAITS)
            )
            fix = dict(report.fix) if report.fix else None
            mending = None
            if fix:
                other = apply_fix(connection, fix)
                mending = event_loop.run_blocking(check_connection(other, policy=Policy()))
            return Verdict(told, report.status, report.sentence, report.hint, fix, wanted, mending)


@pytest.fixture(scope="module")
def verdicts(surroundings: Surroundings) -> list[Verdict]:
    return [asked(each, surroundings) for each in CASES]


@pytest.fixture(scope="module")
def perturbed(surroundings: Surroundings) -> list[Verdict]:
    return [asked(each, surroundings) for each in PERTURBED]


def _missed(verdicts: list[Verdict]) -> list[str]:
    return [
        f"{each.set_up.name}: {'; '.join(each.faults)} — {each.sentence} | {each.hint}"
        for each in verdicts
        if each.faults
    ]


def _told(name: str, verdicts: list[Verdict]) -> float:
    missed = _missed(verdicts)
    share = 1 - len(missed) / len(verdicts)
    right = len(verdicts) - len(missed)
    sys.stdout.write(f"\n{name}: {right} of {len(verdicts)} right ({share:.1%})\n")
    sys.stdout.write("\n".join(missed))
    return share


def test_at_least_95_of_100_broken_set_ups_are_answered_right(verdicts):
    assert len(verdicts) >= 40
    assert _told("Broken set-ups", verdicts) >= SHARE


def test_the_same_faults_in_other_words_are_reported_apart(perturbed):
    assert len(perturbed) >= 15
    assert _told("In other words", perturbed) >= 0.8


def test_no_broken_set_up_is_called_good(verdicts, perturbed):
    called_good = [
        each.set_up.name
        for each in verdicts + perturbed
        if each.status == "ok" and each.set_up.expected != "ok"
    ]
    assert called_good == []


def test_every_fix_that_is_offered_mends_its_set_up(verdicts, perturbed):
    offered = [each for each in verdicts + perturbed if each.fix]
    assert len(offered) >= 15
    assert [each.set_up.name for each in offered if not (each.mended and each.mended.ok)] == []


def test_a_fix_that_leads_elsewhere_is_tried_without_the_key(surroundings):
    """What listens at the other port is another program, which never sees the key."""
    end_saw: list[str] = []

    async def listen(seen: Seen, wire: Wire) -> None:
        end_saw.append(str(seen.headers))
        wire.answer({"data": [{"id": "m"}]})

    with serving(listen) as end, pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "USUAL", (check.Usual("Ollama", end.port),))
        endpoint = f"http://localhost:{surroundings.silent}/v1"
        connection = Connection("custom", name="m", endpoint=endpoint, api_key=_KEY)
        report = event_loop.run_blocking(check_connection(connection, policy=Policy()))
    assert report.fix == {"endpoint": f"http://localhost:{end.port}/v1"}
    assert len(end_saw) >= 2
    assert _KEY not in "".join(end_saw)


def test_every_answer_has_a_next_step_and_no_key(verdicts, perturbed):
    for each in verdicts + perturbed:
        said = f"{each.sentence} {each.hint} {each.fix}"
        assert each.status == "ok" or each.sentence
        assert each.status in {"ok", "FieldError"} or each.hint, each.set_up.name
        secrets = [
            value
            for name, value in each.set_up.fields.items()
            if name == "api_key" and not value.startswith("env:")
        ]
        assert not [value for value in secrets if value.strip() in said]
