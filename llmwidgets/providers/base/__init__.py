"""What a kind of connection is written in: its provider, its form, its models, its client."""

from llmwidgets.providers.base.clients import OPENAI_VARIABLES, SDK, Environment, openai_sdk
from llmwidgets.providers.base.fields import (
    EndpointFields,
    Fields,
    Link,
    SignIn,
    SignInFields,
    Way,
    base_url_field,
    read_day,
    sign_in_field,
    spelled,
    way_of,
)
from llmwidgets.providers.base.models import (
    PRICES,
    DatedPrice,
    Ended,
    ModelFacts,
    Status,
    is_amount,
    is_price,
)
from llmwidgets.providers.base.portal import Part, Portal, Route, Step
from llmwidgets.providers.base.provider import (
    Advice,
    FieldWarning,
    KeyPrefix,
    Kind,
    Preset,
    Provider,
    spell_slug,
)

__all__ = [
    "OPENAI_VARIABLES", "PRICES", "SDK", "Advice", "DatedPrice", "Ended", "EndpointFields",
    "Environment", "FieldWarning", "Fields", "KeyPrefix", "Kind", "Link", "ModelFacts", "Part",
    "Portal", "Preset", "Provider", "Route", "SignIn", "SignInFields", "Status", "Step", "Way",
    "base_url_field", "is_amount", "is_price", "openai_sdk", "read_day", "sign_in_field",
    "spell_slug", "spelled", "way_of",
]  # fmt: skip
