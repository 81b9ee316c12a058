"""Who may do what: routes that carry a scope, tokens that hold some, and the one guard between them.

    from mlobs.server.access import route

    ROUTES = (
        route("/api/x", list_x, scope="read"),
        route("/api/x/{id}", delete_x, scope="admin", methods=["DELETE"]),
    )

An application takes no other routes, so there is none that nobody thought about.
"""

from mlobs.server.access.routes import GuardedRoute, route

__all__ = ["GuardedRoute", "route"]
