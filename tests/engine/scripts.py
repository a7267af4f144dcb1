"""A scripted far end for test questions, and checks of it on a clock that waits for nothing."""

from __future__ import annotations

from collections.abc import Callable

from llmwidgets.connections import Connection, Policy
from llmwidgets.engine import capability, event_loop, probe
from llmwidgets.engine.check import CheckReport, check_connection
from llmwidgets.engine.network.pacing import Clock, Pace

CANARY = "canary-key-7c1f0e9d55aa"


class Waits:
    """A clock that waits for nothing and counts what was waited for."""

    def __init__(self) -> None:
        self.now, self.slept, self.told = 0.0, list[float](), list[str]()
        self.clock = Clock(lambda: self.now, self._sleep, lambda: 0.5)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


Act = Callable[[dict, object], None]


def refuse(status: int, message: str = "no", headers: str = "") -> Act:
    return lambda body, wire: wire.answer({"error": {"message": message}}, status, headers)


def obey(body: dict, wire) -> None:
    form = body.get("response_format", {"type": "text"})
    schema = form.get("json_schema", form).get("schema", {})
    record = {name: rule["enum"][0] for name, rule in schema.get("properties", {}).items()}
    wire.chat(record or ({"weather": "fine"} if form["type"] != "text" else "Sunny."))


def say(text: str, finish: str = "stop", **message: object) -> Act:
    def act(_body: dict, wire) -> None:
        said = {"role": "assistant", "content": text, **message}
        choice = {"index": 0, "finish_reason": finish, "message": said}
        wire.answer({"id": "r", "choices": [choice], "usage": {"completion_tokens": 9}})

    return act


def hang_up(_body: dict, wire) -> None:
    wire.close()


class Script:
    """A server that does one thing after the other; the last one for good, each form apart.

    `acts` are for every form, unless `forms` has some for the form of the request.
    """

    def __init__(self, *acts: Act, listed: tuple[str, ...] = ("m",), **forms: list[Act]) -> None:
        self.acts, self.forms, self.listed = list(acts) or [obey], forms, listed
        self.bodies: list[dict] = []

    async def __call__(self, seen, wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"data": [{"id": each} for each in self.listed]})
            return
        body = seen.json
        self.bodies.append(body)
        form = body.get("response_format", {"type": "text"})
        name = "beside" if form["type"] == "json_object" and "schema" in form else form["type"]
        acts = self.forms.get(name, self.acts)
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        act(body, wire)

    @property
    def limits(self) -> list[int]:
        return [each["max_tokens"] for each in self.bodies]


def custom(end, **more) -> Connection:
    return Connection("custom", name="m", endpoint=end.url, **more)


def checked(end, waits: Waits | None = None) -> CheckReport:
    waits = waits or Waits()
    return event_loop.run_blocking(
        check_connection(custom(end), policy=Policy(), clock=waits.clock, tell=waits.told.append)
    )


def probed(end):
    pace = Pace(4, clock=Waits().clock)
    return event_loop.run_blocking(
        probe.find_capability(custom(end), "m", policy=Policy(), pace=pace)
    )


def nothing_kept(end) -> bool:
    return capability.record_of(custom(end), "m").capability is None


def openai(end) -> Connection:
    return Connection("openai", api_key=CANARY, base_url=end.url)


def greeted(end) -> CheckReport:
    return event_loop.run_blocking(
        check_connection(openai(end), policy=Policy(), clock=Waits().clock)
    )
