"""Several pages on one kernel, each with a subshell of its own, and what is left when one goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.timeout(120)

PANEL = """import llmwidgets as lw
panel = lw.ConnectionPanel(lw.Store.in_memory())
print(panel.model_id)"""
PATIENCE = 60


class Kernel:
    """A kernel with a panel in it; a page's message names the subshell of that page."""

    def __init__(self, client: Any) -> None:
        self._client = client
        printed: list[str] = []
        client.execute_interactive(
            PANEL,
            output_hook=lambda heard: printed.append(heard["content"].get("text", "")),
            timeout=PATIENCE,
        )
        self.comm = "".join(printed).strip()

    def control(self, kind: str, **content: str) -> dict[str, Any]:
        """Ask on the control channel, and return the content of the reply."""
        message = self._client.session.msg(kind, content)
        self._client.control_channel.send(message)
        reply = self._client.get_control_msg(timeout=PATIENCE)
        return dict(reply["content"])

    def hello(self, subshell: str | None) -> bool:
        """Say hello as the page of a subshell; whether it was heard rather than refused."""
        content = {"type": "hello"}
        message = self._client.session.msg(
            "comm_msg", {"comm_id": self.comm, "data": {"method": "custom", "content": content}}
        )
        message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)
        while True:
            heard = self._client.get_iopub_msg(timeout=PATIENCE)
            if heard["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if heard["msg_type"] == "comm_msg":
                return bool(heard["content"]["data"]["content"]["type"] == "state")
            if heard["content"].get("execution_state") == "idle" and self._refused():
                return False

    def _refused(self) -> bool:
        return self._client.shell_channel.msg_ready()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel with a panel, and a client of it."""
    manager, client = start_new_kernel(startup_timeout=PATIENCE)
    yield Kernel(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_page_is_answered_after_another_has_gone(kernel: Kernel) -> None:
    """The subshell that was answered last has ended; this page has none, or another."""
    first = kernel.control("create_subshell_request")["subshell_id"]
    second = kernel.control("create_subshell_request")["subshell_id"]
    assert kernel.hello(first)
    assert kernel.control("delete_subshell_request", subshell_id=first)["status"] == "ok"
    assert kernel.hello(None)
    assert kernel.hello(second)


def test_a_page_of_the_kernel_before_a_restart_takes_no_panel_from_others(kernel: Kernel) -> None:
    """It names a subshell that this kernel never had: it is answered, and so are the others."""
    assert kernel.hello("that-of-the-kernel-before")
    assert kernel.hello(None)
