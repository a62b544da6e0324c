"""Listens on the loopback interface and puts TCP connections together again, so that what was sent can be looked at.

A packet socket (packet(7)) needs CAP_NET_RAW and Linux. Bound to IPv4, it is given each packet of loopback once.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from posture.verify.target import Endpoint

__all__ = ["Connection", "LoopbackCapture"]

_IPV4 = 0x0800
_LONGEST_PACKET = 1 << 17
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/if_packet.h; the socket module has no names for them
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33  # likewise, asm-generic/socket.h
_BUFFER = 4 << 20
_SYN = 0x02
_POLL = 0.05
_LONGEST_DRAIN = 1.0
_TCP_HEADER = 20

_Place = tuple[str, int]


class Connection(NamedTuple):
    """A connection: what its client sent, what it was sent back, and whether its beginning was seen."""

    sent: bytes
    returned: bytes
    whole: bool


@dataclass
class _Way:
    """One direction of a connection: its pieces by sequence number. ``first`` is that of the first byte there is."""

    first: int | None = None
    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, number: int, data: bytes, *, syn: bool) -> None:
        if self.first is None:
            self.first = number + syn
        if data:
            self.pieces.append((number, data))

    def joined(self) -> bytes:
        """All bytes up to the first that is missing."""
        joined = bytearray()
        placed = [((number - (self.first or 0)) % (1 << 32), data) for number, data in list(self.pieces)]
        for place, data in sorted(placed):
            if place > len(joined):
                break
            joined += data[len(joined) - place :]  # what was sent again is there already
        return bytes(joined)


@dataclass
class _Tracked:
    whole: bool
    sent: _Way = field(default_factory=_Way)
    returned: _Way = field(default_factory=_Way)


class LoopbackCapture:
    """Captures the TCP traffic of some endpoints while it is entered; a context manager.

    Args:
        endpoints: Whose, by IPv4 address and port.
        limit: How many bytes of payload to keep; what comes after them is lost.

    Raises:
        PermissionError: On entering, without CAP_NET_RAW.
        OSError: On entering, where there is no packet socket or no interface `lo`.
    """

    def __init__(self, endpoints: Iterable[Endpoint], limit: int = 8 << 20) -> None:
        self._tracked: dict[_Place, dict[_Place, list[_Tracked]]] = {
            (endpoint.host, endpoint.port): {} for endpoint in endpoints
        }
        self._room = limit
        self._lost = 0
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        if not hasattr(socket, "AF_PACKET"):
            raise OSError("this system has no packet sockets")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        try:
            _only(self._socket, self._tracked)
            for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
                with suppress(PermissionError):  # only CAP_NET_ADMIN may go beyond net.core.rmem_max
                    self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            self._socket.bind(("lo", _IPV4))  # until here it has received nothing
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL)
        self._thread = threading.Thread(target=self._listen, name="capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        _, dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._lost += dropped
        self._socket.close()

    @property
    def lost(self) -> int:
        """How many packets the kernel dropped or had no room here; known when the capture has ended."""
        return self._lost

    def connections(self, endpoint: Endpoint) -> list[Connection]:
        """The connections to an endpoint so far."""
        of_clients = list(self._tracked[endpoint.host, endpoint.port].values())
        return [
            Connection(each.sent.joined(), each.returned.joined(), each.whole)
            for connections in of_clients
            for each in list(connections)
        ]

    def _listen(self) -> None:
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            if deadline is None and self._ended.is_set():
                deadline = time.monotonic() + _LONGEST_DRAIN
            try:
                packet = self._socket.recv(_LONGEST_PACKET)
            except TimeoutError:
                if deadline:
                    return
            else:
                self._take(packet)

    def _take(self, packet: bytes) -> None:
        """Keep a packet's payload if it is of an endpoint (RFC 791, RFC 9293)."""
        header = (packet[0] & 0x0F) * 4
        if packet[9] != socket.IPPROTO_TCP or len(packet) < header + _TCP_HEADER:
            return
        source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        from_port, to_port, number, _, offset, flags = struct.unpack_from("!HHIIBB", packet, header)
        sender, receiver = (source, from_port), (destination, to_port)
        data = packet[header + (offset >> 4) * 4 : int.from_bytes(packet[2:4])]
        if len(data) > self._room:
            self._lost += 1
            return
        syn = bool(flags & _SYN)
        if receiver in self._tracked:
            tracked = self._track(receiver, sender, new=syn)
            tracked.sent.add(number, data, syn=syn)
        elif sender in self._tracked:
            tracked = self._track(sender, receiver, new=False)
            tracked.returned.add(number, data, syn=syn)
        else:
            return
        self._room -= len(data)

    def _track(self, server: _Place, client: _Place, *, new: bool) -> _Tracked:
        known = self._tracked[server].setdefault(client, [])
        if new or not known:
            known.append(_Tracked(whole=new))
        return known[-1]


def _only(capturing: socket.socket, places: Iterable[_Place]) -> None:
    """Have the kernel pass on only the TCP packets from and to some places: others' traffic would crowd them out.

    A filter in classic BPF (bpf(4), `sock_filter` of linux/filter.h); its addresses count from the IP header. It has
    room for some 400 places.
    """
    load_byte, load_half_of_tcp, load_word, header_to_x, equal, answer = 0x30, 0x48, 0x20, 0xB1, 0x15, 0x06
    program = [(load_byte, 0, 0, 9), (equal, 1, 0, socket.IPPROTO_TCP), (answer, 0, 0, 0), (header_to_x, 0, 0, 0)]
    for host, port in places:
        address = int.from_bytes(socket.inet_aton(host))
        for of_address, of_port in ((12, 0), (16, 2)):
            program += [
                (load_word, 0, 0, of_address),
                (equal, 0, 3, address),
                (load_half_of_tcp, 0, 0, of_port),
                (equal, 0, 1, port),
                (answer, 0, 0, _LONGEST_PACKET),
            ]
    program.append((answer, 0, 0, 0))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    capturing.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
