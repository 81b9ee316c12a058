"""Which installed instrumentation is used for which library: exactly one for each.

Three families register instrumentations of the same libraries in one entry point group, under
names that collide (`openai` three times) or differ (`bedrock` and `boto3`). What tells them apart
is the module they live in, so that is what is read here; the entry point's name is not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

GROUP = "opentelemetry_instrumentor"


@dataclass(frozen=True, slots=True)
class Family:
    """Instrumentations of one origin.

    Args:
        name: As it is shown.
        prefix: What its modules begin with.
        only: The last part of the modules that count; empty where all do.
    """

    name: str
    prefix: str
    only: frozenset[str] = frozenset()


# OpenLLMetry shares its prefix with hundreds of instrumentations of web frameworks and databases.
_OPENLLMETRY = frozenset({
    "agno", "alephalpha", "anthropic", "bedrock", "chromadb", "cohere", "crewai", "google_generativeai",
    "groq", "haystack", "lancedb", "langchain", "litellm", "llamaindex", "marqo", "mcp", "milvus",
    "mistralai", "ollama", "openai", "openai_agents", "pinecone", "qdrant", "replicate", "sagemaker",
    "together", "transformers", "vertexai", "voyageai", "watsonx", "weaviate", "writer",
})  # fmt: skip
_OFFICIAL_OLDER = frozenset({"openai_v2", "vertexai"})

OFFICIAL = Family("OpenTelemetry", "opentelemetry.instrumentation.genai.")
OFFICIAL_GOOGLE = Family(
    "OpenTelemetry", "opentelemetry.instrumentation.google_genai", frozenset({"google_genai"})
)
OFFICIAL_OLDER = Family("OpenTelemetry (older)", "opentelemetry.instrumentation.", _OFFICIAL_OLDER)
OPENLLMETRY = Family("OpenLLMetry", "opentelemetry.instrumentation.", _OPENLLMETRY)
OPENINFERENCE = Family("OpenInference", "openinference.instrumentation.")

RANKED = (OFFICIAL, OFFICIAL_GOOGLE, OFFICIAL_OLDER, OPENLLMETRY, OPENINFERENCE)

# A module's last part -> the library, where they differ.
SAME = {
    "google_generativeai": "google_genai",
    "llamaindex": "llama_index",
    "openai_v2": "openai",
    "agno_v2": "agno",
}

# The library -> what a program imports of it: first what shows that it is used, then what
# must have finished importing before it can be instrumented.
IMPORTS = {
    "ag2": ("autogen",),
    "alephalpha": ("aleph_alpha_client",),
    "beeai": ("beeai_framework",),
    "bedrock": ("botocore", "boto3"),
    "google_adk": ("google.adk",),
    "google_genai": ("google.genai",),
    "langchain": ("langchain_core", "langchain", "langgraph", "langchain_classic"),
    "llama_index": ("llama_index.core",),
    "milvus": ("pymilvus",),
    "openai_agents": ("agents",),
    "portkey": ("portkey_ai",),
    "pydantic_ai": ("pydantic_ai",),
    "qdrant": ("qdrant_client",),
    "sagemaker": ("botocore", "boto3"),
    "watsonx": ("ibm_watsonx_ai",),
    "writer": ("writerai",),
}

# Libraries for which instrumentations are known, installed or not.
KNOWN = frozenset({SAME.get(tail, tail) for tail in _OPENLLMETRY} | set(IMPORTS))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instrumentation that is installed.

    Args:
        name: The entry point's name.
        module: Where its class lives.
        attribute: The class.
        package: The distribution that brings it.
        version: That distribution's version.
    """

    name: str
    module: str
    attribute: str
    package: str
    version: str = ""

    @property
    def family(self) -> Family | None:
        """Return the family it belongs to, or None where it does not instrument a GenAI library."""
        for family in RANKED:
            if not f"{self.module}.".startswith(family.prefix):
                continue
            if not family.only or self.tail in family.only:
                return family
        return None

    @property
    def tail(self) -> str:
        """Return what its module is called within its family."""
        for prefix in (OFFICIAL.prefix, OPENLLMETRY.prefix, OPENINFERENCE.prefix):
            if self.module.startswith(prefix):
                return self.module.removeprefix(prefix).partition(".")[0].lower().replace("-", "_")
        return ""

    @property
    def library(self) -> str:
        """Return the library it instruments, by one name for all families."""
        return SAME.get(self.tail, self.tail)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done about one library.

    Args:
        library: The library's name.
        usable: Instrumentations in the order in which they are tried; the first is the winner.
        refused: Those that cannot be used, each with the reason.
    """

    library: str
    usable: tuple[Candidate, ...] = ()
    refused: tuple[tuple[Candidate, str], ...] = field(default=())

    @property
    def imports(self) -> tuple[str, ...]:
        """Return what a program imports of the library."""
        return IMPORTS.get(self.library, (self.library,))


def choose(
    installed: Iterable[Candidate],
    problem: Callable[[Candidate], str | None],
    native: Iterable[str] = (),
) -> list[Choice]:
    """Return what to do about each library that an installed instrumentation is for.

    Args:
        installed: Every instrumentation found, of any kind and in any order.
        problem: Returns why an instrumentation cannot be used here, or None.
        native: Libraries that make spans themselves; what is installed for them is refused.

    >>> genai = Candidate("openai", "opentelemetry.instrumentation.genai.openai", "I", "official")
    >>> other = Candidate("openai", "openinference.instrumentation.openai", "I", "other")
    >>> [choice.usable[0].package for choice in choose([other, genai], lambda _: None)]
    ['official']
    """
    native = frozenset(native)
    found: dict[str, dict[str, Candidate]] = {}
    for candidate in installed:
        if candidate.family is not None and candidate.library:
            place = f"{candidate.module}:{candidate.attribute}"
            found.setdefault(candidate.library, {}).setdefault(place, candidate)
    choices = []
    for library, candidates in sorted(found.items()):
        ranked = sorted(candidates.values(), key=lambda one: (_rank(one), one.package))
        reasons = {
            one.module: f"{library} makes spans itself" if library in native else problem(one)
            for one in ranked
        }
        choices.append(
            Choice(
                library,
                tuple(one for one in ranked if reasons[one.module] is None),
                tuple((one, reason) for one in ranked if (reason := reasons[one.module]) is not None),
            )
        )
    return choices


def _rank(candidate: Candidate) -> int:
    assert candidate.family is not None
    return RANKED.index(candidate.family)
