"""Serves a provider to the engine so that a failure reads as one line.

`pulumi.provider.experimental.server.main` would do, but what a provider raises there reaches the user as
`Unexpected <class …>: …` under a traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
from google._upb import _message as protobuf  # type: ignore[import-untyped]  # as above
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc, status_pb2

from posture.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pulumi.provider.experimental.provider import Provider

__all__ = ["Failure", "Unfinished", "serve", "warn"]


class Failure(Exception):  # noqa: N818 - what a provider answers with, not only an error of ours
    """What a provider could not do, in one line that the engine prints beside the resource."""


class Unfinished(Failure):
    """A resource that is there but not as it should be; the engine keeps it, and the next run goes on with it.

    Args:
        message: What is wrong.
        resource_id: The resource's id.
        state: The resource as it is.
        inputs: Its inputs, if they are not those that were asked for.
    """

    def __init__(
        self,
        message: str,
        resource_id: str,
        state: dict[str, PropertyValue],
        inputs: dict[str, PropertyValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.state = state
        self.inputs = inputs


def serve(provider: Provider, version: str) -> None:
    """Serve `provider` on a free port of 127.0.0.1, printed to stdout as the engine expects, until interrupted.

    The process ends with it.
    """
    # The SDK takes away protobuf's limit of a hundred messages in each other, and some ten thousand end the process.
    protobuf.SetAllowOversizeProtos(False)  # noqa: FBT003 - its signature
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(ProviderServicer(sys.argv[1:], version, provider, engine_address=_engine())))
    os._exit(0)  # all calls have ended; the engine waits for us, and to take the interpreter apart takes another 60 ms


async def warn(urn: str, message: str) -> None:
    """Have the engine show a warning beside a resource."""
    async with grpc.aio.insecure_channel(_engine()) as channel:
        request = engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=message, urn=urn)
        await engine_pb2_grpc.EngineStub(channel).Log(request)


def _engine() -> str:
    parser = argparse.ArgumentParser(description="A Pulumi provider plugin; the engine starts it.")
    parser.add_argument("engine", help="address of the engine")
    return str(parser.parse_known_args()[0].engine)


async def _serve(servicer: ProviderServicer) -> None:
    server = grpc.aio.server(interceptors=[_FailuresInOneLine()], options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201 - the engine reads the port from our stdout
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(grace=None)


class _FailuresInOneLine(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,  # noqa: ANN401 - grpc has no types
    ) -> Any:  # noqa: ANN401 - as above
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def answer(request: bytes, context: Any) -> Any:  # noqa: ANN401 - as above
            try:
                return await handler.unary_unary(handler.request_deserializer(request), context)
            except Unfinished as failure:
                await context.abort(grpc.StatusCode.UNKNOWN, one_line(str(failure)), _details(failure))
            except Failure as failure:
                await context.abort(grpc.StatusCode.UNKNOWN, one_line(str(failure)))
            except NotImplementedError as failure:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, one_line(str(failure)))
            except grpc.aio.AbortError:
                raise
            except Exception as failure:  # noqa: BLE001 - of a request that no engine sends, or a mistake of ours
                method = handler_call_details.method.rpartition("/")[2]
                words = one_line(f"can't make anything of this {method}: {type(failure).__name__}: {failure}")
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)

        return grpc.unary_unary_rpc_method_handler(answer, None, handler.response_serializer)


def _details(failure: Unfinished) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata in which the engine looks for a resource that is not finished."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failure.resource_id,
        properties=PropertyValue.marshal_map(failure.state),
        reasons=[str(failure)],
        inputs=None if failure.inputs is None else PropertyValue.marshal_map(failure.inputs),
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
    status.details.add().Pack(detail)
    return (("grpc-status-details-bin", status.SerializeToString()),)
