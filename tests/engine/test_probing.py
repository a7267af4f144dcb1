"""What a probe may conclude of a server that is busy, broken or gone for a moment: nothing."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop, probe
from llmwidgets.engine.check import check_connection
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.network.patience import WAIT_SECONDS
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.errors import Overloaded, Unauthorized
from tests.engine.scripts import (
    Script,
    Waits,
    checked,
    custom,
    greeted,
    hang_up,
    nothing_kept,
    obey,
    probed,
    refuse,
    say,
)
from tests.google_keys import a_service_account
from tests.servers import FAULTS, ModelServer, serving_models

BUSY = (408, 409, 425, 502, 503, 504, 520, 522, 524, 529)


@pytest.mark.parametrize("status", [*BUSY, 500])
def test_a_server_that_is_busy_once_is_asked_again(far_end, status):
    """One that loads its model is schema enforced a second later."""
    end = far_end(Script(refuse(status), obey))
    waits = Waits()
    report = checked(end, waits)
    assert report.ok
    assert report.mode is Enforcement.SCHEMA
    assert report.capability.tried == ((ResponseFormat.JSON_SCHEMA, "accepted", True),)
    assert len(waits.told) == 1
    assert "asking again in 1 s" in waits.told[0]


@pytest.mark.parametrize("status", [503, 529])
def test_five_in_a_row_change_no_mode(far_end, status):
    report = checked(far_end(Script(*[refuse(status)] * 5, obey)))
    assert report.mode is Enforcement.SCHEMA
    capability.forget_capabilities()
    end = far_end(Script(*[refuse(status)] * 4, obey))
    assert probed(end).mode is Enforcement.SCHEMA


@pytest.mark.parametrize("status", BUSY)
def test_a_server_that_stays_busy_says_nothing_of_its_forms(far_end, status):
    end, waits = far_end(Script(refuse(status))), Waits()
    report = checked(end, waits)
    assert not report.ok
    assert (report.mode, report.capability, report.status) == (None, None, "Overloaded")
    assert "could not be determined" in report.sentence
    assert report.hint
    assert nothing_kept(end)
    assert sum(waits.slept) <= WAIT_SECONDS
    with pytest.raises(Overloaded):
        probed(end)
    assert nothing_kept(end)


def test_a_form_that_is_refused_and_one_that_is_busy_leave_it_open(far_end):
    """400 is a statement on the form, 503 is not; the model itself answers."""
    end = far_end(
        Script(obey, json_schema=[refuse(400, "json_schema is unknown")], beside=[refuse(503)])
    )
    report = checked(end)
    assert report.ok
    assert (report.mode, report.capability) == (None, None)
    assert report.sentence.startswith("The server answers.")
    assert "could not be determined" in report.sentence
    assert report.hint
    assert nothing_kept(end)


def test_a_busy_form_is_not_asked_in_a_lower_one(far_end):
    end = far_end(Script(obey, json_schema=[refuse(503)]))
    report = checked(end)
    assert report.ok
    assert report.mode is None
    with pytest.raises(Overloaded):
        probed(end)


def test_what_a_test_could_not_determine_is_not_what_an_earlier_one_saw(far_end):
    """The report tells of this test alone."""
    end = far_end(Script(obey, json_schema=[refuse(503)]))
    before = custom(end).with_capability(
        "m", Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    )
    report = event_loop.run_blocking(check_connection(before, policy=Policy(), clock=Waits().clock))
    assert report.ok
    assert (report.mode, report.capability) == (None, None)


def test_an_asked_wait_is_kept_as_far_as_a_check_waits(far_end):
    end, waits = far_end(Script(refuse(503, headers="retry-after: 7\r\n"), obey)), Waits()
    assert checked(end, waits).mode is Enforcement.SCHEMA
    assert waits.slept == [7.0]
    end, waits = far_end(Script(refuse(503, headers="retry-after: 90\r\n"), obey)), Waits()
    assert not checked(end, waits).ok
    assert waits.slept == []


def test_a_limit_in_mid_check_is_waited_out(far_end):
    """The list has answered: the limit is not what the check is to tell."""
    report = checked(far_end(Script(obey, beside=[refuse(429), obey], json_schema=[say("Hm.")])))
    assert report.mode is Enforcement.SCHEMA
    assert report.capability.form is ResponseFormat.JSON_OBJECT_SCHEMA


def test_a_reset_in_mid_check_is_tried_once_more(far_end):
    end = far_end(Script(obey, json_schema=[say("Hm.")], beside=[hang_up, obey]))
    assert checked(end).mode is Enforcement.SCHEMA
    capability.forget_capabilities()
    end = far_end(Script(obey, json_schema=[say("Hm.")], beside=[hang_up]))
    report = checked(end)
    assert report.mode is None
    assert nothing_kept(end)


@pytest.mark.parametrize("status", [400, 404, 415, 422, 501])
def test_a_refusal_of_the_request_s_own_content_is_a_statement(far_end, status):
    told = "response_format is not supported" if status in {404, 501} else "no"
    end = far_end(Script(obey, json_schema=[refuse(status, told)], beside=[refuse(status, told)]))
    report = checked(end)
    assert (report.mode, report.capability.form) == (Enforcement.JSON, ResponseFormat.JSON_OBJECT)
    assert report.capability.tried[0] == (ResponseFormat.JSON_SCHEMA, f"refused, {status}", False)


def test_a_form_that_the_server_fails_on_each_time_is_beyond_it(far_end):
    """500 again after another form was answered: it is the form."""
    script = Script(obey, json_schema=[refuse(500)])
    report = checked(far_end(script))
    assert (report.mode, report.capability.form) == (
        Enforcement.SCHEMA,
        ResponseFormat.JSON_OBJECT_SCHEMA,
    )
    asked = [each["response_format"]["type"] for each in script.bodies]
    assert asked[-1] == "json_schema"
    assert asked.count("json_object") == 1


def test_a_server_that_fails_for_a_while_keeps_its_strictest_form(far_end):
    """500 until another form was answered, then well again."""
    end = far_end(Script(obey, json_schema=[*[refuse(500)] * 3, obey]))
    assert checked(end).capability.form is ResponseFormat.JSON_SCHEMA


def test_a_probe_that_is_cancelled_keeps_nothing(far_end):
    """The first form was answered, the second is under way."""

    class Hanging(Script):
        async def __call__(self, seen, wire) -> None:
            await super().__call__(seen, wire)
            while len(self.bodies) == 2:
                await asyncio.sleep(0.01)

    script = Hanging(say("Hm."), beside=[lambda _body, _wire: None])
    end = far_end(script)

    async def cancelled() -> None:
        pace = Pace(1, clock=Waits().clock)
        task = asyncio.create_task(
            probe.find_capability(custom(end), "m", policy=Policy(), pace=pace)
        )
        while len(script.bodies) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    event_loop.run_blocking(cancelled())
    assert nothing_kept(end)
    script.acts, script.bodies = [obey], []
    assert probed(end).mode is Enforcement.SCHEMA


def test_checks_from_several_threads_say_the_same(far_end):
    end = far_end(Script())
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: lw.check(custom(end), policy=Policy()), range(4)))
    assert {each.mode for each in reports} == {Enforcement.SCHEMA}


def test_a_model_that_is_busy_is_not_one_without_access():
    """Vertex AI is asked for each model: an overloaded one is there."""

    class OneBusy(ModelServer):
        def answer(self, seen):
            busy = seen.path.endswith("gemini-3.5-flash:countTokens")
            return FAULTS["gemini"]["overload"] if busy else super().answer(seen)

    with serving_models(kind=OneBusy) as server:
        account = json.dumps(a_service_account(f"{server.url}/token"))
        connection = Connection("vertex_ai", credentials=account, base_url=server.url)
        report = event_loop.run_blocking(
            check_connection(connection, policy=Policy(), clock=Waits().clock)
        )
    tokens.forget_tokens()
    assert "gemini-3.5-flash" in report.models
    assert "Not available" not in dict(report.details)


def test_a_failed_probe_is_made_anew_by_the_next_who_asks(far_end):
    end = far_end(Script(*[refuse(503)] * 5, obey))
    with pytest.raises(Overloaded):
        probed(end)
    assert probed(end).mode is Enforcement.SCHEMA


def test_a_refused_key_is_told_at_once(far_end):
    end, waits = far_end(Script(refuse(401))), Waits()
    assert checked(end, waits).status == "Unauthorized"
    assert waits.slept == []
    with pytest.raises(Unauthorized):
        probed(end)


def test_a_busy_list_and_a_busy_greeting_are_asked_again(far_end):
    class BusyList(Script):
        busy = True

        async def __call__(self, seen, wire) -> None:
            if seen.line.startswith("GET") and self.busy:
                self.busy = False
                wire.answer({"error": {"message": "busy"}}, 503)
            else:
                await super().__call__(seen, wire)

    report = greeted(far_end(BusyList(refuse(503), obey, listed=("gpt-6-luna",))))
    assert report.ok
    assert report.models == ("gpt-6-luna",)
