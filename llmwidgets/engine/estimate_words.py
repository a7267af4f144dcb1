"""What a run would take, in words: for a notebook, a terminal and the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmwidgets.formatting import count, dollars, duration, listed

if TYPE_CHECKING:
    from llmwidgets.engine.estimate import Estimate, TooLongText


_NAMED = 3


def sentences(likely: Estimate) -> tuple[str, ...]:
    """The estimate in sentences: calls and time, cost, hosts, what does not fit, price changes."""
    head, rest = cost_words(likely)
    hosts = listed(likely.hosts)
    said = [
        f"{count(likely.calls, 'call')}, {duration(likely.seconds)}.",
        f"{head}{f', {rest}' if rest else ''}.",
        f"The texts go to {hosts}, and to no other host." if hosts else "",
        f"By what {count(likely.tried, 'answer')} took." if likely.tried else "",
        _too_long(likely.too_long),
        *likely.price_changes,
    ]
    return tuple(each for each in said if each)


def cost_words(likely: Estimate) -> tuple[str, str]:
    """The cost in bold, and what is to be said beside it; what is unknown is named."""
    unpriced = list(likely.unpriced)
    few = f"{', '.join(unpriced[:3])}{' and others' if len(unpriced) > 3 else ''}"
    verb = "has" if len(unpriced) == 1 else "have"
    low, high, cost = likely.cost_low, likely.cost_high, likely.cost
    if low is None or high is None or cost is None:
        if len(unpriced) > 1:
            return "Cost unknown", "none of these has a known price"
        return "Cost unknown", f"{few} has no known price"
    rest = [f"between {dollars(low)} and {dollars(high)}"] if high > low else []
    if unpriced:
        rest.append(f"{few} {verb} no known price")
    return f"About {dollars(cost)}", "; ".join(rest)


def _too_long(found: tuple[TooLongText, ...]) -> str:
    if not found:
        return ""
    named = [f"{each.text_id} for {each.variant}" for each in found[:_NAMED]]
    more = [f"{len(found) - _NAMED:,} more"] if len(found) > _NAMED else []
    verb = "is" if len(found) == 1 else "are"
    calls = count(len(found), "call")
    return f"{calls} {verb} too long for the model's window: {listed([*named, *more])}."
