"""JUnit XML: what a build server reads of a comparison, one test case per variant and bar."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from llmwidgets.formatting import escape_controls
from llmwidgets.report.writers import write_text

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 file may contain, however it is spelled."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """A bar that was set for one variant (`name`), and why it was not met; empty if it was.

    With `ended_early`, it could not be judged.
    """

    __test__ = False  # for pytest, which collects by this name

    variant: str
    name: str
    reason: str = ""
    ended_early: bool = False


def write_junit(
    path: str | os.PathLike[str],
    suite: str,
    cases: Sequence[TestCase],
    figures: Mapping[str, str],
    *,
    made_at: datetime,
    seconds: float = 0.0,
) -> Path:
    """Write one suite of test cases; `figures` are its properties.

    The elements and attributes are those that Ant and Jenkins have in common.
    """
    failures = sum(bool(each.reason) and not each.ended_early for each in cases)
    errors = sum(each.ended_early for each in cases)
    attributes = {
        "name": suite,
        "package": "llmwidgets",
        "id": "0",
        "hostname": "localhost",
        "timestamp": f"{made_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        "tests": str(len(cases)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{seconds:.3f}",
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    lines += [f" <testsuite{_attributes(attributes)}>", "  <properties>"]
    for name, value in figures.items():
        lines.append(f"   <property{_attributes({'name': name, 'value': value})}/>")
    lines += ["  </properties>", *map(_case, cases)]
    lines += ["  <system-out/>", "  <system-err/>", " </testsuite>", "</testsuites>"]
    return write_text(path, "\n".join(lines) + "\n")


def _case(case: TestCase) -> str:
    start = _attributes({"classname": case.variant, "name": case.name, "time": "0.000"})
    if not case.reason:
        return f"  <testcase{start}/>"
    kind = "error" if case.ended_early else "failure"
    told = _attributes({"message": case.reason, "type": case.name})
    words = escape(_legal(case.reason))
    return f"  <testcase{start}>\n   <{kind}{told}>{words}</{kind}>\n  </testcase>"


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_legal(value))}" for name, value in values.items())


def _legal(text: str) -> str:
    """The text with every character that acts or that XML refuses spelled out."""
    return _ILLEGAL.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", escape_controls(text))
