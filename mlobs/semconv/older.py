"""Names that attributes had in older versions of the GenAI conventions, for readers that know only those."""

from mlobs.semconv import attributes as a

OLDER: dict[str, str] = {
    a.PROVIDER_NAME.name: "gen_ai.system",
    a.INPUT_TOKENS.name: "gen_ai.usage.prompt_tokens",
    a.OUTPUT_TOKENS.name: "gen_ai.usage.completion_tokens",
    a.CACHE_WRITE_TOKENS.name: "gen_ai.usage.cache_creation.input_tokens",
    a.INPUT_MESSAGES.name: "gen_ai.prompt",
    a.OUTPUT_MESSAGES.name: "gen_ai.completion",
}
# The environment of a resource before the general conventions named it deployment.environment.name; many SDKs
# and agents still send this.
ENVIRONMENT = "deployment.environment"
