"""Which calls take a proxy, by the variables everybody knows."""

from __future__ import annotations

import pytest

from llmwidgets.engine.network.transport import proxy_for


@pytest.fixture(autouse=True)
def _proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")


def test_https_takes_its_own_proxy_and_http_takes_none():
    assert proxy_for("https://api.example/v1").url == "http://proxy.example:3128"
    assert proxy_for("http://api.example/v1") is None


def test_the_user_and_the_password_leave_the_url(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:p%40ss@proxy.example:3128")
    proxy = proxy_for("https://api.example/v1")
    assert proxy.url == "http://proxy.example:3128"
    assert proxy.user == "me"
    assert proxy.password.reveal() == "p@ss"
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_loopback_is_always_reached_directly(host):
    assert proxy_for(f"https://{host}:8443/v1") is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("api.example", "https://api.example/v1", True),
        ("example", "https://api.example/v1", True),
        (".example", "https://api.example/v1", True),
        ("*.example", "https://api.example/v1", True),
        ("other, api.example", "https://api.example/v1", True),
        ("API.EXAMPLE", "https://api.example/v1", True),
        ("*", "https://api.example/v1", True),
        ("api.example:443", "https://api.example/v1", True),
        ("api.example:8443", "https://api.example/v1", False),
        ("ample", "https://api.example/v1", False),
        ("10.0.0.0/8", "https://10.2.3.4/v1", True),
        ("10.0.0.0/8", "https://11.2.3.4/v1", False),
        ("10.0.0.0/8", "https://api.example/v1", False),
        ("fd00::/8", "https://[fd00::1]/v1", True),
        ("", "https://api.example/v1", False),
    ],
)
def test_no_proxy_names_hosts_domains_ports_and_networks(monkeypatch, no_proxy, url, direct):
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url) is None) is direct
