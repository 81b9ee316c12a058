"""Says once of each imported library whose model calls nothing records what would. Edge: it watches imports.

Only of libraries whose use is a model call: a program that imports botocore or a vector database may
never call a model by it.
"""

import logging
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial

from mlobs.instrument.arrivals import when_imported
from mlobs.instrument.libraries import IMPORTS, Candidate, Choice

log = logging.getLogger("mlobs")

# The library -> the distribution whose spans are the best there are.
PACKAGES = {
    "anthropic": "opentelemetry-instrumentation-genai-anthropic",
    "cohere": "opentelemetry-instrumentation-cohere",
    "google_genai": "opentelemetry-instrumentation-google-genai",
    "groq": "opentelemetry-instrumentation-groq",
    "langchain": "opentelemetry-instrumentation-genai-langchain",
    "litellm": "openinference-instrumentation-litellm",
    "llama_index": "opentelemetry-instrumentation-llamaindex",
    "mistralai": "opentelemetry-instrumentation-mistralai",
    "ollama": "opentelemetry-instrumentation-ollama",
    "openai": "opentelemetry-instrumentation-genai-openai",
    "replicate": "opentelemetry-instrumentation-replicate",
    "together": "opentelemetry-instrumentation-together",
}
# Frameworks that import the libraries of providers, and whose instrumentations record the model calls: how
# the names of their modules begin.
_FRAMEWORKS = {
    "agno": "agno",
    "google_adk": "google.adk",
    "langchain": "langchain",
    "litellm": "litellm",
    "llama_index": "llama_index",
    "openai_agents": "agents",
    "pydantic_ai": "pydantic_ai",
    "strands": "strands",
}


def watch_gaps(choices: Sequence[Choice], natives: Collection[str], disabled: Callable[[str], bool]) -> None:
    """Say it of each library that the program imports and that none of `choices` instruments.

    Args:
        choices: What is done about the libraries that an installed instrumentation is for.
        natives: Libraries that make spans themselves.
        disabled: Returns whether the user wants a library to be left alone.
    """
    found = {choice.library: choice for choice in choices}
    recorded = {choice.library for choice in choices if choice.usable} | set(natives)
    for library, package in PACKAGES.items():
        if library in recorded or disabled(library):
            continue
        choice = found.get(library, Choice(library))
        names = IMPORTS.get(library, (library,))
        when_imported(names, partial(_arrived, choice, package, recorded))


def switched_on(choice: Choice) -> Candidate | None:
    """Return the instrumentation of a library that the program has switched on itself, if it has."""
    every = [*choice.usable, *(candidate for candidate, _ in choice.refused)]
    return next((one for one in every if _is_on(one)), None)


def _is_on(candidate: Candidate) -> bool:
    """Return whether a program has switched an instrumentation on, or is doing so right now.

    Its one instance is made for that and nothing else; what is asked of the instance is true only
    once it is done, and it is its first act that imports the library.
    """
    kind = getattr(sys.modules.get(candidate.module), candidate.attribute, None)
    return getattr(kind, "_instance", None) is not None


def _arrived(choice: Choice, package: str, recorded: Collection[str]) -> None:
    if switched_on(choice) is not None or _is_for_a_framework(choice.library, recorded):
        return
    name = IMPORTS.get(choice.library, (choice.library,))[0]
    if choice.refused:
        refused, reason = choice.refused[0]
        log.warning("%s is imported, and nothing instruments it: of %s, %s.", name, refused.package, reason)
    else:
        log.warning("%s is imported, and nothing instruments it: pip install %s", name, package)


def _is_for_a_framework(library: str, recorded: Collection[str]) -> bool:
    """Return whether a framework is imported that makes the calls, and is recorded or told of itself."""
    for framework, name in _FRAMEWORKS.items():
        if framework == library or not (framework in recorded or framework in PACKAGES):
            continue
        begun = (f"{name}.", f"{name}_")  # langchain_openai imports openai before anything of langchain
        if name in sys.modules or any(module.startswith(begun) for module in list(sys.modules)):
            return True
    return False
