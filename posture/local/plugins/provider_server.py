"""Serves a provider to the engine so that a failure reads as one line.

`pulumi.provider.experimental.server.main` would do, but what a provider raises there reaches the user as
`Unexpected <class …>: …` under a traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pulumi.provider.experimental.provider import Provider

__all__ = ["Failure", "serve"]


class Failure(Exception):  # noqa: N818 - what a provider answers with, not only an error of ours
    """What a provider could not do, in one line that the engine prints beside the resource."""


def serve(provider: Provider, version: str) -> None:
    """Serve `provider` on a free port of 127.0.0.1, printed to stdout as the engine expects, until interrupted."""
    parser = argparse.ArgumentParser(description="A Pulumi provider plugin; the engine starts it.")
    parser.add_argument("engine", help="address of the engine")
    known, _ = parser.parse_known_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(ProviderServicer(sys.argv[1:], version, provider, engine_address=known.engine)))


async def _serve(servicer: ProviderServicer) -> None:
    server = grpc.aio.server(interceptors=[_FailuresInOneLine()], options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201 - the engine reads the port from our stdout
    await server.wait_for_termination()


class _FailuresInOneLine(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,  # noqa: ANN401 - grpc has no types
    ) -> Any:  # noqa: ANN401 - as above
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def answer(request: Any, context: Any) -> Any:  # noqa: ANN401 - as above
            try:
                return await handler.unary_unary(request, context)
            except Failure as failure:
                await context.abort(grpc.StatusCode.UNKNOWN, str(failure))
            except NotImplementedError as failure:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(failure))

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)
