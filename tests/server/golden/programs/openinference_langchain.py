"""Phoenix's instrumentation of LangChain, around an agent with a tool."""

from exporting import provider
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openinference.instrumentation import using_session, using_user
from openinference.instrumentation.langchain import LangChainInstrumentor

LangChainInstrumentor().instrument(tracer_provider=provider())


@tool
def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}."


agent = create_agent(ChatOpenAI(model="gpt-4o-mini"), [get_weather], name="forecaster")
with using_session("session-1"), using_user("user-1"):
    agent.invoke({"messages": [("user", "Weather in Oslo?")]})
