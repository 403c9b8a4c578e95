"""A listener's routes: each checked first, and every request answered, also on paths and by methods that are none."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from exporter.api.errors import answering, refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiohttp.typedefs import Handler


def add_routes(
    app: web.Application, routes: Sequence[web.RouteDef], check: Callable[[web.Request], None] = lambda _: None
) -> None:
    """Add routes whose requests `check` lets pass, or raises RefusedError."""
    for route in [*routes, *_refusals(routes)]:
        handler = answering(cast("Handler", route.handler), check)
        web.RouteDef(route.method, route.path, handler, route.kwargs).register(app.router)


def _refusals(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Yield routes for other methods of known paths, and for all other paths."""
    allowed: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        heads = route.method == hdrs.METH_GET and route.kwargs.get("allow_head", True)
        allowed[route.path] |= {route.method, hdrs.METH_HEAD} if heads else {route.method}
    for path, methods in allowed.items():
        yield web.route("*", path, refusing(HTTPStatus.METHOD_NOT_ALLOWED, Allow=",".join(sorted(methods))))
    yield web.route("*", r"/{path:[\s\S]*}", refusing(HTTPStatus.NOT_FOUND))
