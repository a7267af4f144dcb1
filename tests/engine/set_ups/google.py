"""Set-ups of Vertex AI and Gemini."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    COUNTED,
    GEMINI_LIST,
    TOKEN,
    SetUp,
    at_gemini,
    google,
    info,
    quota,
    vertex,
)

GOOGLE = (
    SetUp(
        "Vertex: no private_key", "vertex_ai", vertex("@without private_key"), (TOKEN,),
        "Unauthorized", ("private_key",), ("Add key",),
    ),
    SetUp(
        "Vertex: credentials of another type", "vertex_ai", vertex("@external_account"), (TOKEN,),
        "Unauthorized", ("external_account",), ("service account",),
    ),
    SetUp(
        "Vertex: the file of an OAuth client", "vertex_ai", vertex("@oauth client"), (TOKEN,),
        "Unauthorized", ("OAuth client",), ("service account",),
    ),
    SetUp(
        "Vertex: a damaged key", "vertex_ai", vertex("@damaged"), (TOKEN,),
        "Unauthorized", ("damaged",), ("Add key",),
    ),
    SetUp(
        "Vertex: half of the file", "vertex_ai", vertex("@half"), (TOKEN,),
        "Unauthorized", ("JSON", "whole"), ("whole file",),
    ),
    SetUp(
        "Vertex: a path in place of the content", "vertex_ai",
        vertex("credentials/acme-claims-7f3a.json", project="acme-claims"), (TOKEN,),
        "Unauthorized", ("path of a file",), ("file:",),
    ),
    SetUp(
        "Vertex: the API is not turned on", "vertex_ai", vertex(),
        (TOKEN, ("", 403, google(
            403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 1 before or it is "
            "disabled.", info("SERVICE_DISABLED", activationUrl="https://console.developers.google"
                              ".com/apis/api/aiplatform.googleapis.com/overview?project=1")))),
        "Forbidden", ("not turned on",), ("https://console.developers.google.com/apis",),
    ),
    SetUp(
        "Vertex: the account has no role", "vertex_ai", vertex(),
        (TOKEN, ("", 403, [google(
            403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on "
            "resource '//aiplatform.googleapis.com/projects/acme/locations/global' (or it may not "
            "exist).", info("IAM_PERMISSION_DENIED"))])),
        "Forbidden", ("no right",), ("Vertex AI User",),
    ),
    SetUp(
        "Vertex: the models are not in this location", "vertex_ai", vertex(location="europe-west4"),
        (TOKEN, ("locations/global", 200, COUNTED), ("", 404, google(
            404, "NOT_FOUND", "Publisher Model `projects/acme/locations/europe-west4/publishers/"
            "google/models/gemini-3.8-flash` was not found or your project does not have access "
            "to it."))),
        "UnknownModel", ("europe-west4",), ("global",), {"location": "global"},
    ),
    SetUp(
        "Vertex: the key was deleted", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant",
                               "error_description": "Invalid JWT Signature."}),),
        "Unauthorized", ("signature",), ("deleted",),
    ),
    SetUp(
        "Vertex: the account was deleted", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant",
                               "error_description": "Invalid grant: account not found"}),),
        "Unauthorized", ("no such account",), ("service account",),
    ),
    SetUp(
        "Vertex: the clock of this computer is wrong", "vertex_ai", vertex(),
        (("POST /token", 400, {"error": "invalid_grant", "error_description":
                               "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                               "reasonable timeframe. Check your iat and exp values in the JWT "
                               "claim."}),),
        "Unauthorized", ("clock",), ("set the clock",),
    ),
    SetUp(
        "Vertex: no billing", "vertex_ai", vertex(),
        (TOKEN, ("", 403, google(403, "PERMISSION_DENIED", "This API method requires billing to be "
                                 "enabled.", info("BILLING_DISABLED")))),
        "QuotaExhausted", ("billing",), ("billing",),
    ),
    SetUp(
        "Gemini: the free tier does not include the model", "gemini", at_gemini(),
        (("GET", 200, GEMINI_LIST), ("countTokens", 200, COUNTED),
         ("", 429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.",
                          quota(quotaId="GenerateRequestsPerDayPerProjectPerModel-FreeTier",
                                quotaValue="0")))),
        "QuotaExhausted", ("quota",), ("billing",),
    ),
    SetUp(
        "Gemini: not offered in this country", "gemini", at_gemini(),
        (("", 400, google(400, "FAILED_PRECONDITION",
                          "User location is not supported for the API use.")),),
        "Forbidden", ("does not offer",), ("Vertex AI",),
    ),
    SetUp(
        "Gemini: the key lists models and may run none", "gemini", at_gemini(),
        (("GET", 200, GEMINI_LIST), ("", 403, google(
            403, "PERMISSION_DENIED", "The caller does not have permission."))),
        "Forbidden", ("no right",), ("access",),
    ),
)  # fmt: skip
