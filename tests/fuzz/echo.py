"""The application behind every sidecar: answers 200 to anything; `X-Target` is the request target that it got.

`X-Address` is its own, by which a visitor knows whom the gateway has led to.

A few lines over a socket instead of an HTTP server: a server would refuse, or tidy up, just the targets that matter.
"""

from __future__ import annotations

import asyncio
import os


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b"\r\n")[0].partition(b" ")[2].rpartition(b" ")[0]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Target: " + target)
            writer.write(f"\r\nX-Address: {os.environ['LISTEN_ADDRESS']}\r\n\r\n".encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, os.environ["LISTEN_ADDRESS"], int(os.environ["LISTEN_PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
