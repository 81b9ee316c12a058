"""An MCP server, for tests in one process and, as a program, over stdio."""

import anyio
from mcp.server.mcpserver import Context, MCPServer

import mlobs

server = MCPServer("shop")


@mlobs.step
def look_up(order: str) -> str:
    return f"{order}!"


@server.tool()
def price(order: str) -> str:
    return look_up(order)


@server.tool()
def fail() -> str:
    raise ValueError("no such order")


@server.tool()
async def wait() -> str:
    await anyio.sleep(20)
    return "late"


@server.tool()
async def relay(order: str, ctx: Context) -> str:
    """Ask the client's user where to, and answer with that."""
    said = await ctx.session.elicit_form("Where to?", {"type": "object", "properties": {}})
    return f"{look_up(order)} {said.content['where']}"


@server.prompt()
def greeting(name: str) -> str:
    return f"Greet {look_up(name)}"


@server.resource("shop://menu")
def menu() -> str:
    return look_up("menu")


if __name__ == "__main__":
    import os

    from mlobs.instrument.middleware import mcp

    mlobs.init("shop", endpoint=os.environ["SINK"])
    mcp.instrument()
    server.run()
