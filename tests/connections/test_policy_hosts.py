"""A rule for a host holds however the host is spelled, in the rule and in the address."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.connections.connection import replace_parts
from llmwidgets.connections.policy_file import rules_of
from llmwidgets.errors import FieldError

FULL_WIDTH = {ord(each): ord(each) + 0xFEE0 for each in "0123456789abcdefx"}


def at(host: str, scheme: str = "https") -> Connection:
    return Connection(
        "custom", name="m", endpoint=f"{scheme}://{host}/v1", label="far", allow_plain_http=True
    )


def denied(rule: str, connection: Connection) -> bool:
    rules = rules_of(f"[hosts]\n{rule}\n".encode(), Path("policy.toml"))
    assert rules.damage is None, rules.damage
    return bool(rules.denied(connection, None))


def _parts(number: int, count: int) -> list[int]:
    """The number in so many parts, as the old reader of addresses takes them."""
    data = number.to_bytes(4)
    return [*data[: count - 1], int.from_bytes(data[count - 1 :])]


V4_SPELLINGS: dict[str, Callable[[IPv4Address], str]] = {
    "dotted": str,
    "a dot at its end": lambda ip: f"{ip}.",
    "decimal": lambda ip: str(int(ip)),
    "hexadecimal": lambda ip: hex(int(ip)),
    "HEXADECIMAL": lambda ip: hex(int(ip)).upper(),
    "octal": lambda ip: f"0{int(ip):o}",
    "dotted octal": lambda ip: ".".join(f"0{each:o}" for each in ip.packed),
    "dotted hexadecimal": lambda ip: ".".join(map(hex, ip.packed)),
    "two parts": lambda ip: ".".join(map(str, _parts(int(ip), 2))),
    "three parts": lambda ip: ".".join(map(hex, _parts(int(ip), 3))),
    "full-width": lambda ip: str(ip).translate(FULL_WIDTH),
    "ideographic dots": lambda ip: str(ip).replace(".", "。"),
    "percent-encoded": lambda ip: "".join(f"%{ord(each):02x}" for each in str(ip)),
    "mapped, dotted": lambda ip: f"[::ffff:{ip}]",
    "mapped": lambda ip: f"[::FFFF:{int(ip) >> 16:x}:{int(ip) & 0xFFFF:x}]",
    "mapped, in full": lambda ip: f"[{IPv6Address(0xFFFF << 32 | int(ip)).exploded}]",
}
V6_SPELLINGS: dict[str, Callable[[IPv6Address], str]] = {
    "compressed": lambda ip: f"[{ip.compressed}]",
    "in full": lambda ip: f"[{ip.exploded}]",
    "IN FULL": lambda ip: f"[{ip.exploded.upper()}]",
    "ends in dots": lambda ip: f"[{_dotted_end(ip)}]",
    "with a zone": lambda ip: f"[{ip}%25eth0]",
    "with a bare zone": lambda ip: f"[{ip}%eth0]",
}


def _dotted_end(ip: IPv6Address) -> str:
    return ":".join([*ip.exploded.split(":")[:6], str(IPv4Address(ip.packed[12:]))])


@given(st.ip_addresses(v=4), st.sampled_from(list(V4_SPELLINGS)), st.sampled_from(["", ":8443"]))
def test_an_ipv4_address_is_denied_in_each_spelling(address, spelling, port):
    """And shown dotted; a rule in the same spelling holds for the dotted address."""
    spelled = V4_SPELLINGS[spelling](address)
    far = at(f"{spelled}{port}")
    assert far.host == f"{address}{port}"
    assert denied(f'deny = ["{address}"]', far)
    assert denied(f'deny = ["{spelled}"]', at(str(address)))
    assert denied(f'deny = ["{spelled}:8443"]', at(f"{address}:8443"))
    assert not denied(f'deny = ["{spelled}"]', at(str(IPv4Address((int(address) + 1) % 2**32))))


@given(st.ip_addresses(v=6), st.sampled_from(list(V6_SPELLINGS)), st.sampled_from(["", ":8443"]))
def test_an_ipv6_address_is_denied_in_each_spelling(address, spelling, port):
    far = at(V6_SPELLINGS[spelling](address) + port)
    shown = address.ipv4_mapped or address
    assert denied(f'deny = ["{address}"]', far)
    assert denied(f'deny = ["[{address.exploded}]"]', far)
    assert denied(f'deny = ["[{address}]:{port[1:] or 443}"]', far)
    assert str(shown) in far.host
    assert not denied(f'deny = ["{IPv6Address((int(address) + 1) % 2**128)}"]', far)


NAMES = {
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.Example": "xn--bcher-kva.example",
    "bu\u0308cher.example": "xn--bcher-kva.example",
    "bücher.example.": "xn--bcher-kva.example",
    "bücher。example": "xn--bcher-kva.example",
    "b%C3%BCcher.example": "xn--bcher-kva.example",
    "XN--BCHER-KVA.example": "xn--bcher-kva.example",
    "ａｐｉ.openai.com": "api.openai.com",
    "api\u00ad.openai.com": "api.openai.com",
    "api%2eopenai.com": "api.openai.com",
    "\u0430pi.openai.com": "xn--pi-6kc.openai.com",
    "straße.example": "xn--strae-oqa.example",
    "llm_gateway.acme.example": "llm_gateway.acme.example",
}


@pytest.mark.parametrize("spelled", NAMES)
def test_a_name_is_compared_and_shown_in_punycode(spelled):
    """Two names that look alike are two: the one in other letters shows it."""
    far, name = at(spelled), NAMES[spelled]
    assert far.host == name
    assert far.plain_fields["endpoint"] == f"https://{name}/v1"
    assert far.target("m").url == f"https://{name}/v1"
    assert name in repr(far)
    for rule in {spelled, name}:
        assert denied(f'deny = ["{rule}"]', far)
        assert denied(f'deny = ["{rule}:443"]', far)
        assert not denied(f'allow = ["{rule}"]', far)
    assert denied('allow = ["api.openai.com"]', far) is (name != "api.openai.com")


@given(st.text("abcxyz-äöüß\u0430\u0431ａｂ0123456789", min_size=1, max_size=12))
def test_every_name_that_can_be_a_host_has_one_spelling(label):
    try:
        far = at(f"{label}.example")
    except FieldError:
        assume(False)
    assert far.host.isascii()
    assert at(far.host).host == at(f"{label}.example.").host == far.host
    assert denied(f'deny = ["{label}.example"]', far)


@pytest.mark.parametrize(
    ("rule", "host", "fits"),
    [
        ("*.bücher.example", "llm.bücher.example", True),
        ("*.BÜCHER.example.", "llm.xn--bcher-kva.example", True),
        ("*.bücher.example", "bücher.example", False),
        ("xn--*", "\u0430pi.openai.com", True),
        ("１０.0.0.*", "167772161", True),
        ("10.0.*", "[::ffff:10.0.3.4]", True),
        ("fd00:*", "[fd00:0::1]", True),
        ("[fd00:*]:443", "[fd00:0::1]", True),
        ("[fd00:*]:8443", "[fd00:0::1]", False),
        ("2001:*", "[2001:db8::1]", True),
        ("*:8443", "10.0.0.1:8443", True),
        ("*:443", "10.0.0.1", True),
        ("api.[a-c].example", "api.b.example", True),
        ("fe80::1%eth0", "[fe80::1%25eth1]", False),
    ],
)
def test_a_pattern_counts_in_the_same_spelling(rule, host, fits):
    assert denied(f'deny = ["{rule}"]', at(host)) is fits


@pytest.mark.parametrize(
    "rule", ["me@api.openai.com", "bü*.example", "a..b", "1.2.3.400", "host:http", "☃.example", ":"]
)
def test_a_pattern_that_fits_no_host_is_not_passed_over(rule):
    rules = rules_of(f'[hosts]\ndeny = ["{rule}"]'.encode(), Path("policy.toml"))
    assert "hosts.deny (line 2) fits no host" in rules.damage[0]


@pytest.mark.parametrize(
    "host", ["a..b", "1.2.3.400", "1.2.3.4.5", "a%2fb.example", "☃.example", "[fe80::1%]", "a" * 64]
)
def test_what_cannot_be_a_host_is_refused_by_its_field(host):
    with pytest.raises(FieldError) as caught:
        at(host)
    assert list(caught.value.problems) == ["endpoint"]


def test_an_address_that_was_kept_from_before_is_compared_in_the_new_spelling():
    """What a store holds is not read again; what it cannot call is still shown."""
    kept = Connection("openai", api_key="sk-proj-a", base_url="https://gw.example/v1")

    def with_base(url: str) -> Connection:
        return replace_parts(kept, fields=kept.fields.model_copy(update={"base_url": url}))

    assert with_base("https://BÜCHER.example/v1").host == "xn--bcher-kva.example"
    assert denied('deny = ["10.0.0.1"]', with_base("https://0xa.1/v1"))
    assert with_base("https://{host}/v1").host == "{host}"
    assert denied('allow = ["*.example"]', with_base("https://{host}/v1"))
