"""The lines to paste for each framework, with this server's address in them."""

from dataclasses import dataclass

from mlobs._extras import pip_install

ENDPOINT, HEADERS = "@ENDPOINT@", "@HEADERS@"
INSTALL, INSTALL_WEB = pip_install(), pip_install("web")
HEADERS_VARIABLE = 'OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20TOKEN"'


@dataclass(frozen=True, slots=True)
class Snippet:
    """What to paste.

    Attributes:
        name: In addresses.
        title: For people.
        install: What to run before; "" for nothing.
        code: The lines.
        language: python, shell, yaml or javascript.
        note: What is good to know.
    """

    name: str
    title: str
    install: str
    code: str
    language: str = "python"
    note: str = ""


_VARIABLES = f"export OTEL_EXPORTER_OTLP_ENDPOINT={ENDPOINT}{HEADERS}"

SNIPPETS = (
    Snippet(
        "python",
        "Python",
        INSTALL,
        f'''import mlobs

mlobs.init("my-service", endpoint="{ENDPOINT}")


@mlobs.tool
def look_up(order: str) -> str:
    return f"order {{order}} is on its way"


@mlobs.agent
def support(question: str) -> str:
    with mlobs.session("conversation-1", user="ana"):
        return look_up("A-17")


support("Where is my parcel?")''',
        note="Every noun is a decorator: agent, tool, llm, retrieval, predict and more. They work on plain "
        "and async functions and on generators.",
    ),
    Snippet(
        "fastapi",
        "FastAPI",
        f"{INSTALL_WEB} fastapi uvicorn",
        f'''import mlobs
from fastapi import FastAPI

mlobs.init("my-api", endpoint="{ENDPOINT}")
app = FastAPI()
app.add_middleware(mlobs.asgi, session="x-session-id", exclude=["/healthz"])


@app.post("/ask")
@mlobs.agent
async def ask(question: str) -> dict[str, str]:
    return {{"answer": f"You asked: {{question}}"}}''',
        note="Flask: app.wsgi_app = mlobs.wsgi(app.wsgi_app). Django: mlobs.asgi or mlobs.wsgi around the "
        "application.",
    ),
    Snippet(
        "openai",
        "OpenAI",
        f"{INSTALL} openai opentelemetry-instrumentation-genai-openai",
        f'''import mlobs
from openai import OpenAI

mlobs.init("my-bot", endpoint="{ENDPOINT}", auto=True)
client = OpenAI()


@mlobs.agent
def answer(question: str) -> str | None:
    reply = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{{"role": "user", "content": question}}]
    )
    return reply.choices[0].message.content''',
        note="auto=True switches on the installed instrumentation: each call of the client is a span with "
        "model, tokens and cost. Streams tell tokens with stream_options={'include_usage': True}.",
    ),
    Snippet(
        "anthropic",
        "Anthropic",
        f"{INSTALL} anthropic opentelemetry-instrumentation-genai-anthropic",
        f'''import mlobs
from anthropic import Anthropic

mlobs.init("my-bot", endpoint="{ENDPOINT}", auto=True)
client = Anthropic()


@mlobs.agent
def answer(question: str) -> str:
    reply = client.messages.create(
        model="claude-sonnet-4-5", max_tokens=500, messages=[{{"role": "user", "content": question}}]
    )
    return reply.content[0].text''',
        note="Without an instrumentation: @mlobs.llm(model=..., provider='anthropic') around the call, and "
        "mlobs.usage(reply.usage) in it.",
    ),
    Snippet(
        "langchain",
        "LangChain",
        f"{INSTALL} langchain langchain-openai opentelemetry-instrumentation-genai-langchain",
        f'''import mlobs
from langchain.agents import create_agent

mlobs.init("my-agent", endpoint="{ENDPOINT}", auto=True)


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It is sunny in {{city}}."


agent = create_agent("openai:gpt-4o-mini", tools=[weather])
with mlobs.session("conversation-1", user="ana"):
    agent.invoke({{"messages": [{{"role": "user", "content": "Weather in Rome?"}}]}})''',
        note="LangGraph, LlamaIndex, CrewAI, the OpenAI agents and others are the same: install the "
        "instrumentation, and auto=True finds it.",
    ),
    Snippet(
        "unchanged",
        "No change of code",
        INSTALL,
        f"""{_VARIABLES}
export OTEL_SERVICE_NAME=my-service
mlobs run app.py
# or: mlobs run -m package, mlobs run uvicorn app:app""",
        "shell",
        "Switches on the instrumentations that are installed. Exit status and signals stay the program's.",
    ),
    Snippet(
        "collector",
        "Collector",
        "",
        f"""receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:4318"}}
      grpc: {{endpoint: "127.0.0.1:4317"}}
exporters:
  otlphttp/mlobs:
    endpoint: {ENDPOINT}{HEADERS}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlphttp/mlobs]}}
    metrics: {{receivers: [otlp], exporters: [otlphttp/mlobs]}}
    logs: {{receivers: [otlp], exporters: [otlphttp/mlobs]}}""",
        "yaml",
        "A ready one with a queue on disk that takes secrets out: mlobs collector run --endpoint ADDRESS.",
    ),
    Snippet(
        "others",
        "Other languages",
        "",
        f"""{_VARIABLES}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp OTEL_LOGS_EXPORTER=otlp
export OTEL_SERVICE_NAME=my-service
# Node.js:  npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node
node --require @opentelemetry/auto-instrumentations-node/register app.js
# Java:     java -javaagent:opentelemetry-javaagent.jar -jar app.jar
# Go, .NET, Ruby, Rust, PHP: their OpenTelemetry SDK reads the same variables""",
        "shell",
        "Spans of models follow the GenAI conventions: gen_ai.operation.name, gen_ai.request.model, "
        "gen_ai.usage.input_tokens and output_tokens. Those of OpenInference, OpenLLMetry and others are "
        "understood too.",
    ),
)
BY_NAME = {one.name: one for one in SNIPPETS}

PROMPT = """\
Add observability to this project. Its telemetry goes to an mlobs server at {endpoint} (plain OTLP).
1. Find the entry points, and where the project calls language models, tools, retrieval and other models.
2. Python: {install}; call mlobs.init("SERVICE", auto=True) once at the start of each entry point,
   before other libraries are used. Install the OpenTelemetry GenAI instrumentation of each client library
   that is used (opentelemetry-instrumentation-genai-openai, -anthropic, -langchain ...). Other languages:
   their OpenTelemetry SDK with the GenAI semantic conventions.
3. Decorate: @mlobs.agent on what runs an agent, @mlobs.tool on tools, @mlobs.retrieval on searches,
   @mlobs.predict(model="name@version") on classical models, @mlobs.llm(model=, provider=) only where no
   instrumentation sees the call; there, call mlobs.usage(response.usage).
4. Web: add mlobs.asgi or mlobs.wsgi as middleware. Put each conversation into
   with mlobs.session(conversation_id, user=user_id): and never use names or e-mail addresses as ids.
5. Change no behaviour. Do not record content (MLOBS_CONTENT) unless you are asked to. Put no address or token
   into the code: OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}{headers} in the environment.
6. Check it: run mlobs doctor with that environment, run the program once, then
   mlobs traces show latest --server {endpoint}
   It must show an agent or a request at the top, its model calls with model and tokens, and its tools below.
   Add a test with mlobs.capture() that expects this tree.
Then say what you changed, file by file, and what is still not traced."""


def filled(snippet: Snippet, endpoint: str, *, asks: bool) -> str:
    """Return the lines of a snippet.

    Args:
        snippet: Which.
        endpoint: This server's address.
        asks: Whether it asks for tokens.
    """
    headers = ""
    if asks and snippet.language == "yaml":
        headers = '\n    headers: {authorization: "Bearer TOKEN"}'
    elif asks and snippet.language == "shell":
        headers = f"\nexport {HEADERS_VARIABLE}"
    return snippet.code.replace(ENDPOINT, endpoint).replace(HEADERS, headers)


def prompt(endpoint: str, *, asks: bool) -> str:
    """Return what a coding agent is told."""
    headers = f" and {HEADERS_VARIABLE}" if asks else ""
    return PROMPT.format(endpoint=endpoint, headers=headers, install=INSTALL)
