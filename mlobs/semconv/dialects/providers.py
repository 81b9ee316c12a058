"""How providers are spelled elsewhere, all in small letters, and by the conventions."""

from collections.abc import Mapping

PROVIDERS: Mapping[str, str] = {
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "google.vertex.chat": "gcp.vertex_ai",
    "google-vertex": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "gcp_vertexai": "gcp.gen_ai",
    "google": "gcp.gen_ai",
    "google_genai": "gcp.gen_ai",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "azure-openai.chat": "azure.ai.openai",
    "azure-openai.responses": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "xai": "x_ai",
    "xai.chat": "x_ai",
    "xai.responses": "x_ai",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "mistral.chat": "mistral_ai",
    "bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "watsonx": "ibm.watsonx.ai",
    "ibm": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "langchain": "",  # A framework.
}
# Where one attribute names who serves and another whose format it is: (the first, the second).
PROVIDER_AND_FORMAT = ("llm.provider", "llm.system")
PAIRS: Mapping[tuple[str, str], str] = {
    ("azure", "openai"): "azure.ai.openai",
    ("google", "vertexai"): "gcp.vertex_ai",
    ("", "vertexai"): "gcp.vertex_ai",
}
