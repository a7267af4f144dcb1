"""start_demo: one server a process, a connection for each model, another one after a fork."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from openai import OpenAI

from llmwidgets.demo import DEMO_MODELS, demo_url, start_demo, stop_demo


def test_start_demo_gives_a_connection_for_each_model() -> None:
    """start_demo starts one server a process and labels each connection by its model."""
    try:
        connections = start_demo()
        assert [connection.label for connection in connections] == list(DEMO_MODELS)
        assert [connection.models for connection in connections] == [(m,) for m in DEMO_MODELS]
        assert {connection.kind for connection in connections} == {"custom"}
        assert {connection.origin for connection in connections} == {"demo"}
        assert {connection.host for connection in connections} == {
            connection.host for connection in start_demo()
        }
    finally:
        stop_demo()
        stop_demo()


def test_a_stopped_demo_starts_again() -> None:
    """After stop_demo the next start_demo answers at a new address."""
    try:
        assert demo_url() == demo_url()
        stop_demo()
        with OpenAI(base_url=demo_url(), api_key="unused", max_retries=0) as client:
            assert len(list(client.models.list())) == len(DEMO_MODELS)
    finally:
        stop_demo()


def _end_child(parents_url: str) -> None:
    """Try the demo in a forked child and leave by its status, whatever happens."""
    status = 1
    try:
        mine = demo_url()
        with OpenAI(base_url=mine, api_key="unused", max_retries=0) as client:
            if len(list(client.models.list())) == len(DEMO_MODELS) and mine != parents_url:
                status = 0
    finally:
        os._exit(status)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_its_own_server() -> None:
    """A fork has no serving thread, so the child starts another; the parent's goes on."""
    try:
        url = demo_url()
        child = os.fork()
        if child == 0:
            _end_child(url)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
            assert len(list(client.models.list())) == len(DEMO_MODELS)
    finally:
        stop_demo()


@pytest.mark.parametrize(("name", "texts"), [("emails", 8), ("invoices", 16), ("jobs", 8)])
def test_a_task_is_imported_like_any_module(name: str, texts: int) -> None:
    """By its name, in a process that has imported nothing of it yet."""
    code = (
        f"from llmwidgets.demo.{name} import Schema, texts, truth\n"
        f"import llmwidgets.demo.{name} as task\n"
        f"from llmwidgets.demo import {name}\n"
        f"assert task is {name} and texts is {name}.texts and len(texts) == len(truth) == {texts}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
