"""gRPC servers and clients, of threads and of asyncio. Edge: it reads the environment.

    server = grpc.server(pool, interceptors=server_interceptors())
    channel = grpc.intercept_channel(grpc.insecure_channel(address), *client_interceptors())
    server = grpc.aio.server(interceptors=server_interceptors())
    channel = grpc.aio.insecure_channel(address, interceptors=client_interceptors())

Each call is one SERVER or CLIENT span that ends with the last message. Trace, session and
experiment arms travel in the metadata. A call whose client went away is `cancelled`, which is no
error. A stream whose reader dropped it is `abandoned`; grpc.aio cannot tell the two apart.

Why not opentelemetry-instrumentation-grpc (0.66b1): what it lacks cannot be added from outside. It
reports a handler that raises as OK, hands the reader of a stream a bare generator without `cancel`
and `code`, breaks asyncio handlers that `write`, and never ends the span of a cancelled asyncio
call. Where a program uses it all the same, our server interceptor adds to its span and makes
none of its own.
"""

import os
from collections.abc import Iterable
from typing import Any

from mlobs._extras import require
from mlobs.errors import SettingError
from mlobs.instrument.middleware.requests import Who, read_options

EXCLUDED = "OTEL_PYTHON_GRPC_EXCLUDED_SERVICES"  # services, separated by commas
QUIET = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)


def server_interceptors(
    *, session: Who = None, user: Who = None, exclude: Iterable[str] | None = None
) -> list[Any]:
    """Return what goes into `grpc.server(..., interceptors=)` and into `grpc.aio.server`.

    Args:
        session: The key of the metadata that holds the session's id, or a function of the servicer
            context that returns it; wins over what arrives by baggage.
        user: The same for the user.
        exclude: Services, such as "shop.Orders", whose calls make no spans; else those of
            OTEL_PYTHON_GRPC_EXCLUDED_SERVICES, health checks and reflection.

    Raises:
        MissingExtraError: grpcio is not installed.
        SettingError: An option cannot be used.
    """
    require("grpc.aio", extra="grpc", feature="The gRPC middleware")
    from mlobs.instrument.middleware.grpc_server import Interceptor

    options = read_options("server_interceptors", session, user, ())
    return [Interceptor(options, _excluded(exclude))]


def client_interceptors(address: str | None = None, *, exclude: Iterable[str] | None = None) -> list[Any]:
    """Return what goes into `grpc.intercept_channel(channel, *...)` and `grpc.aio.insecure_channel`.

    Args:
        address: The `host:port` the channel goes to, to be named on its spans; interceptors are not
            told it.
        exclude: As for `server_interceptors`.

    Raises:
        MissingExtraError: grpcio is not installed.
        SettingError: `exclude` is not a list of names.
    """
    require("grpc.aio", extra="grpc", feature="The gRPC middleware")
    from mlobs.instrument.middleware.grpc_client import interceptors

    return interceptors(address, _excluded(exclude))


def _excluded(given: Iterable[str] | None) -> frozenset[str]:
    if given is None:
        named = (name.strip() for name in os.environ.get(EXCLUDED, "").split(","))
        return frozenset({*QUIET, *named} - {""})
    names = [] if isinstance(given, str) else list(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise SettingError(f"exclude={given!r} is not a list of services. Write exclude=['shop.Orders'].")
    return frozenset(names)
