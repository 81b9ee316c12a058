"""The demo's agent: a flight desk that plans, looks things up, calls tools and answers.

This is what an instrumented program looks like: the decorators, and `mlobs.usage` where a
provider reports tokens. Nothing else here knows about tracing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import requests
from openai import AsyncOpenAI

import mlobs
from mlobs.cli.demo.model_server import EMBEDDING_MODEL, MODEL

NOTES = (
    "A flight that leaves its gate on time mostly arrives on time; thirty minutes late seldom recover.",
    "Thunderstorms close the arrival routes over Pennsylvania on summer afternoons.",
    "Strong wind at LaGuardia halves the number of landings an hour.",
    "De-icing adds ten to twenty minutes before take-off below freezing.",
    "Passengers of flights over three hours late may rebook free of charge.",
)
SYSTEM = (
    "You are the flight desk of an airport in New York. Answer in one or two sentences, only from the facts "
    "your tools and notes return, and say so when a tool gives no answer. Never promise an arrival time."
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": about,
            "parameters": {
                "type": "object",
                "properties": {"flight": {"type": "integer"}},
                "required": ["flight"],
            },
        },
    }
    for name, about in (
        ("chance_of_delay", "The chance that a flight arrives over 15 minutes late."),
        ("gate_of", "The gate a flight leaves from."),
    )
]


class Desk:
    """The agent and its tools.

    Args:
        address: The model server's and the gate system's.
        predict: Returns the chance that the flight of a number is late.
    """

    def __init__(self, address: str, predict: Callable[[int], float]) -> None:
        self._client = AsyncOpenAI(base_url=f"{address}/v1", api_key="none needed", max_retries=0)
        self._address = address
        self._predict = predict
        self._vectors: list[list[float]] = []
        self._tools: dict[str, Callable[[int], Awaitable[str]]] = {
            "chance_of_delay": self.chance_of_delay,
            "gate_of": self.gate_of,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()

    @mlobs.agent(name="flight-desk", version="1")
    async def ask(self, question: str, *, session: str, user: str) -> str:
        """Answer one question of one passenger."""
        with mlobs.session(session, user=user, tags={"channel": "app"}):
            plan = await self.plan(question)
            notes = await self.search(question)
            messages = [
                {"role": "system", "content": f"{SYSTEM} Notes: {' '.join(notes)}"},
                {"role": "user", "content": question},
                *[
                    {"role": "tool", "tool_call_id": call.id, "content": await self._run(call)}
                    for call in plan
                ],
            ]
            answer = "".join([word async for word in self.answer(messages)])
            mlobs.score("grounded", 1.0 if "%" in answer else 0.0, by="rule:names-a-chance")
            return answer

    @mlobs.llm(name="plan", model=MODEL, provider="openai")
    async def plan(self, question: str) -> list[Any]:
        """Ask the model which tools to call."""
        reply = await self._client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
            tools=TOOLS,  # type: ignore[arg-type] # plain dicts, as its documentation shows
        )
        mlobs.usage(reply.usage)
        return list(reply.choices[0].message.tool_calls or [])

    @mlobs.retrieval(name="desk-notes")
    async def search(self, question: str) -> list[str]:
        """Return the two notes nearest in meaning."""
        if not self._vectors:
            self._vectors = await self.embed(list(NOTES))
        [asked] = await self.embed([question])
        nearness = [sum(x * y for x, y in zip(asked, vector, strict=True)) for vector in self._vectors]
        return [note for _, note in sorted(zip(nearness, NOTES, strict=True), reverse=True)[:2]]

    @mlobs.embedding(model=EMBEDDING_MODEL, provider="openai")
    async def embed(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of texts."""
        reply = await self._client.embeddings.create(
            model=EMBEDDING_MODEL, input=texts, encoding_format="float"
        )
        mlobs.usage(reply.usage)
        return [row.embedding for row in reply.data]

    @mlobs.tool
    async def chance_of_delay(self, flight: int) -> str:
        """Ask the prediction model."""
        return f"the chance of a late arrival is {self._predict(flight):.0%}"

    @mlobs.tool
    async def gate_of(self, flight: int) -> str:
        """Ask the airport's gate system, which is sometimes out of order."""
        reply = await asyncio.to_thread(requests.get, f"{self._address}/gates/{flight}", timeout=5)
        reply.raise_for_status()
        return f"it leaves from gate {reply.json()['gate']}"

    @mlobs.llm(name="answer", model=MODEL, provider="openai")
    async def answer(self, messages: list[dict[str, Any]]) -> AsyncIterator[str]:
        """Stream the model's answer, word by word."""
        stream = await self._client.chat.completions.create(  # type: ignore[call-overload] # plain dicts will do
            model=MODEL,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            mlobs.usage(chunk.usage)
            for choice in chunk.choices:
                yield choice.delta.content or ""

    async def _run(self, call: Any) -> str:
        """Run one tool call; a failed one is an answer too."""
        try:
            return await self._tools[call.function.name](json.loads(call.function.arguments)["flight"])
        except requests.RequestException:
            return f"{call.function.name} gave no answer"
