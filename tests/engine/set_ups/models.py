"""Set-ups with a model that the server does not have, or cannot be asked."""

# ruff: noqa: E501 - recorded words stay as they came

from __future__ import annotations

from tests.engine.set_ups.set_up import (
    AZURE_LIST,
    CHAT,
    HF_KEY,
    OPENAI_KEY,
    OPENAI_LIST,
    SetUp,
    anthropic,
    at_openai,
    azure,
    custom,
    foundry,
    openai,
)

MODELS = (
    SetUp(
        "Ollama: the model is not pulled", "custom", custom(name="mistral-nemo"),
        (("GET", 200, {"object": "list", "data": [{"id": "llama3.2:3b"}]}),
         ("", 404, openai('model "mistral-nemo" not found, try pulling it first',
                          type_="not_found_error"))),
        "UnknownModel", ("mistral-nemo", "llama3.2:3b"), ("ollama pull mistral-nemo",),
    ),
    SetUp(
        "Ollama: the name without its tag's number", "custom", custom(name="llama3.1:3b"),
        (("GET", 200, {"object": "list", "data": [{"id": "llama3.2:3b"}]}), ("llama3.2", 200, CHAT),
         ("", 404, openai('model "llama3.1:3b" not found, try pulling it first',
                          type_="not_found_error"))),
        "UnknownModel", ("llama3.1:3b", "llama3.2:3b"), ("ollama pull llama3.1:3b",),
        {"name": "llama3.2:3b"}, fault="only llama3.2:3b",
    ),
    SetUp(
        "vLLM: another name than the served one", "custom", custom(name="Llama-3.3-70B"),
        (("GET", 200, {"object": "list", "data": [{"id": "meta-llama/Llama-3.3-70B-Instruct"}]}),
         ("", 404, openai("The model `Llama-3.3-70B` does not exist.", 404, "NotFoundError"))),
        "UnknownModel", ("Llama-3.3-70B", "meta-llama/Llama-3.3-70B-Instruct"), (),
        {"name": "meta-llama/Llama-3.3-70B-Instruct"}, fault="only meta-llama/Llama-3.3-70B-Instruct",
    ),
    SetUp(
        "Hugging Face: a path without provider, and no provider is turned on", "custom",
        custom("https://router.huggingface.co/v1", base_url="{url}/v1", api_key=HF_KEY,
               name="deepseek-ai/DeepSeek-R1"),
        (("GET", 200, {"data": [{"id": "deepseek-ai/DeepSeek-R1"}]}),
         ("", 400, openai("The requested model 'deepseek-ai/DeepSeek-R1' is not supported by any "
                          "provider you have enabled.", "model_not_supported", param="model"))),
        "UnknownModel", ("deepseek-ai/DeepSeek-R1",), ("provider", "together"),
    ),
    SetUp(
        "LM Studio: json_object is refused, json_schema works", "custom", custom(), (),
        "ok", ("answers",), fault="LM Studio",
    ),
    SetUp(
        "a retired model of OpenAI", "custom",
        custom("https://api.openai.com/v1", name="gpt-4-turbo", base_url="{url}/v1",
               api_key=OPENAI_KEY),
        (("GET", 200, OPENAI_LIST),
         ("", 404, openai("The model `gpt-4-turbo` has been deprecated.", "model_not_found"))),
        "UnknownModel", ("retired", "gpt-4-turbo"), ("gpt-6-luna",),
    ),
    SetUp(
        "a retired Claude in Foundry", "azure_ai_foundry",
        foundry("{url}/anthropic/v1/messages", model="claude-3-7-sonnet-latest"),
        (("", 404, anthropic("not_found_error", "model: claude-3-7-sonnet-latest")),),
        "UnknownModel", ("retired", "claude-3-7-sonnet-latest"), ("claude-sonnet-5-5",),
    ),
    SetUp(
        "OpenAI: a key that may use none of the models", "openai", at_openai(),
        (("GET", 200, {"data": [{"id": "text-embedding-4"}]}),),
        "Forbidden", ("none of",), ("access",),
    ),
    SetUp(
        "the window is smaller than the test question", "custom", custom(),
        (("GET", 200, {"data": [{"id": "m"}]}),
         ("", 400, openai("This model's maximum context length is 128 tokens. However, you "
                          "requested 2300 tokens.", "context_length_exceeded"))),
        "TooLong", ("longer",), ("window",),
    ),
    SetUp(
        "Azure: the filter stops even the test question", "azure_openai", azure("{url}/openai/v1"),
        (AZURE_LIST, ("", 400, {"error": {
            "code": "content_filter", "message": "The response was filtered due to the prompt "
            "triggering Azure OpenAI's content management policy.", "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"jailbreak": {"filtered": True}}}}})),
        "Filtered", ("filter",), ("filter",),
    ),
)  # fmt: skip
