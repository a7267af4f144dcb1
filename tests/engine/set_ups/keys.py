"""Set-ups with a wrong key, or another provider's."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    ANTHROPIC_KEY,
    AZURE_KEY,
    CHAT,
    GEMINI_KEY,
    HF_KEY,
    OPENAI_KEY,
    WRONG_ANTHROPIC,
    WRONG_AZURE,
    WRONG_GEMINI,
    WRONG_OPENAI,
    SetUp,
    at_anthropic,
    at_gemini,
    at_openai,
    azure,
    custom,
    google,
    info,
    openai,
)

KEYS = (
    SetUp(
        "OpenAI: a wrong key", "openai", at_openai(), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("key was not accepted",), ("copied whole",),
    ),
    SetUp(
        "OpenAI: Anthropic's key", "openai", at_openai(ANTHROPIC_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("sk-ant-", "Anthropic"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: Gemini's key", "openai", at_openai(GEMINI_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("AQ.", "Google"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: a Hugging Face token", "openai", at_openai(HF_KEY), (("", 401, WRONG_OPENAI),),
        "Unauthorized", ("hf_", "Hugging Face"), ("OpenAI",),
    ),
    SetUp(
        "OpenAI: a key of an Azure resource", "openai", at_openai(AZURE_KEY),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("start with sk-",), ("OpenAI",),
    ),
    SetUp(
        "Anthropic: OpenAI's key", "anthropic", at_anthropic(OPENAI_KEY),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("sk-", "OpenAI"), ("Anthropic",),
    ),
    SetUp(
        "Anthropic: Gemini's key", "anthropic", at_anthropic(GEMINI_KEY),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("AQ.", "Google"), ("Anthropic",),
    ),
    SetUp(
        "Gemini: OpenAI's key", "gemini", at_gemini(OPENAI_KEY), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("sk-", "OpenAI"), ("Gemini",),
    ),
    SetUp(
        "Gemini: Anthropic's key", "gemini", at_gemini(ANTHROPIC_KEY), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("sk-ant-", "Anthropic"), ("Gemini",),
    ),
    SetUp(
        "Azure: OpenAI's key", "azure_openai", azure("{url}/openai/v1", key=OPENAI_KEY),
        (("", 401, WRONG_AZURE),), "Unauthorized", ("sk-", "OpenAI"), ("Azure",),
    ),
    SetUp(
        "Hugging Face: OpenAI's key", "custom",
        custom("https://router.huggingface.co/together/v1", base_url="{url}/v1",
               api_key=OPENAI_KEY, name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": []}), ("", 401, {"error": "Invalid username or password."})),
        "Unauthorized", ("not accepted",), ("hf_",),
    ),
    SetUp(
        "Gemini: a wrong key", "gemini", at_gemini(), (("", 400, WRONG_GEMINI),),
        "Unauthorized", ("key was not accepted",), ("copied whole",),
    ),
    SetUp(
        "Gemini: an AIza key after its end", "gemini", at_gemini("AIzaMadeUpKeyOfGoogle00000000000001"),
        (("", 400, WRONG_GEMINI),), "Unauthorized", ("Google is ending AIza keys.",), ("AI Studio",),
    ),
    SetUp(
        "Gemini: a gateway sends the AQ. key as Bearer", "gemini", at_gemini(),
        (("", 401, google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.",
                          info("ACCESS_TOKEN_TYPE_UNSUPPORTED"))),),
        "Unauthorized", ("not accepted",), ("gateway",),
    ),
    SetUp(
        "blanks and quotes around a key", "custom", custom(api_key=' "made-up-key-0001" \n'),
        (("", 200, CHAT),), "ok", ("accepts the key",), fault="only this key",
    ),
    SetUp(
        "a line end inside a key", "openai", at_openai("sk-proj-made-up\nkey-0001"),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("key",), ("copy",),
    ),
    SetUp(
        "OpenAI: an admin key", "openai", at_openai("sk-admin-made-up-key-0001"),
        (("", 403, openai("You have insufficient permissions for this operation. Missing scopes: "
                          "model.request.")),),
        "Forbidden", ("sk-admin-", "cannot run models"), ("key",),
    ),
    SetUp(
        "Anthropic: an admin key", "anthropic", at_anthropic("sk-ant-admin01-made-up-key-0001"),
        (("", 401, WRONG_ANTHROPIC),), "Unauthorized", ("sk-ant-admin", "cannot run models"), ("Anthropic",),
    ),
    SetUp(
        "vLLM: the key is wrong, said as a string", "custom", custom(api_key="made-up-key-0001"),
        (("", 401, {"error": "Unauthorized"}),), "Unauthorized", ("not accepted",), (),
    ),
    SetUp(
        "vLLM: no key given", "custom", custom(), (("", 401, {"error": "Unauthorized"}),),
        "Unauthorized", ("asks for a key",), ("API key",),
    ),
    SetUp(
        "a variable that is not set", "openai", at_openai("env:LLMWIDGETS_NO_SUCH_VARIABLE"),
        (("", 401, WRONG_OPENAI),), "Unauthorized", ("LLMWIDGETS_NO_SUCH_VARIABLE",), (),
    ),
    SetUp(
        "Hugging Face: a token without the permission", "custom",
        custom("https://router.huggingface.co/together/v1", base_url="{url}/v1", api_key=HF_KEY,
               name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": []}),
         ("", 403, {"error": "This authentication method does not have sufficient permissions to "
                    "call Inference Providers on behalf of user acme"})),
        "Forbidden", ("right",), ("Make calls to Inference Providers",),
    ),
)  # fmt: skip
