"""Which models a name may mean, and whose they are, to find what they cost.

A model's name is user input: what is not known for sure to be one of the listed models is none of them.
"""

import re

NAME_CHARACTERS_MAX = 256

# Other names of the providers, as programs, gateways and older conventions write them.
PROVIDERS = {
    "google": "gcp.gen_ai", "gcp_vertexai": "gcp.gen_ai", "google_genai": "gcp.gen_ai",
    "gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "google_vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai", "mistralai": "mistral_ai", "xai": "x_ai", "bedrock": "aws.bedrock",
    "aws": "aws.bedrock", "aws_bedrock": "aws.bedrock", "amazon_bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock", "azure": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai", "azure_openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference", "azure_ai": "azure.ai.inference",
    "watsonx": "ibm.watsonx.ai", "cohere_chat": "cohere", "moonshot": "moonshot_ai",
}  # fmt: skip

# Whose rows hold for a provider besides its own: those whose models it sells at their price.
_SOLD = {
    "gcp.gemini": ("gcp.gen_ai",),
    "gcp.gen_ai": ("gcp.gemini", "gcp.vertex_ai", "anthropic"),
    "gcp.vertex_ai": ("gcp.gen_ai", "gcp.gemini", "anthropic"),
    "aws.bedrock": ("anthropic",),
}
_ROUTERS = frozenset({"litellm", "litellm_proxy", "openrouter"})  # they pass on what the model's name says
_KNOWN = frozenset({
    "openai", "anthropic", "cohere", "deepseek", "groq", "perplexity", "azure.ai.openai",
    *_SOLD, *PROVIDERS.values(),
})  # fmt: skip

_BEDROCK = re.compile(
    r"(?:(?P<region>[a-z-]{2,8})\.)?"
    r"(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen|ai21)\.(?P<name>.{1,100}?)"
    r"(?:-v\d+(?::\d+)?(?::\d+k)?)?"
)
_DATED = re.compile(
    r"(?P<name>.{1,100}?)-(?:20\d\d-\d\d-\d\d|20\d{6}|\d{4}|\d{2}-20\d\d|\d{3}|latest|default|0)"
)


def sellers(provider: str | None) -> tuple[str, ...]:
    """Return the providers whose rows may hold, the nearest first; none of them where all may."""
    return () if provider is None else (provider, *_SOLD.get(provider, ()))


def provider_of(provider: str | None, model: str) -> str | None:
    """Return a provider by the name of the conventions; where none is told, the one the model names.

    >>> provider_of("mistralai", "x"), provider_of(None, "azure/x"), provider_of("litellm", "x")
    ('mistral_ai', 'azure.ai.openai', None)
    """
    if provider is not None:
        told = provider.strip().lower()
        if told not in _ROUTERS:
            return PROVIDERS.get(told, told)
    *before, bare = model[:NAME_CHARACTERS_MAX].strip().lower().split("/")
    for part in before:
        named = PROVIDERS.get(part, part)
        if named in _KNOWN:
            return named
    return "aws.bedrock" if _BEDROCK.fullmatch(bare) else None


def spellings(model: str) -> tuple[tuple[str, ...], bool]:
    """Return the names under which a model may be listed, the most exact first, and if it is regional.

    >>> spellings("us.anthropic.claude-sonnet-4-20250514-v1:0")[0][1:]
    ('claude-sonnet-4-20250514', 'claude-sonnet-4')
    """
    name = model[: NAME_CHARACTERS_MAX + 1].strip().lower()
    bare = name.rpartition("/")[2]
    if len(name) > NAME_CHARACTERS_MAX:
        return (), False
    if bare.startswith("ft:") or "tunedmodels/" in name:
        return (name,), False  # a tuned model has a price of its own
    in_region = False
    bedrock = _BEDROCK.fullmatch(bare)
    if bedrock is not None:
        in_region = bedrock["region"] not in {None, "global"}
        bare = bedrock["name"]
    bare = bare.replace("@", "-")
    found = [name, bare]
    dated = _DATED.fullmatch(bare)
    if dated is not None:
        found.append(dated["name"])
    return tuple(dict.fromkeys(found)), in_region
