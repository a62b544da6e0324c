"""How packets become connections."""

from __future__ import annotations

import socket
import struct

from posture.verify.packets import Connection, LoopbackCapture
from posture.verify.target import Endpoint

SERVER, CLIENT, OTHER = ("127.1.2.3", 80), ("127.0.0.1", 40000), ("127.0.0.1", 81)
SYN = 2


def packet(sender: tuple[str, int], receiver: tuple[str, int], number: int, data: bytes = b"", flags: int = 0) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", sender[1], receiver[1], number % (1 << 32), 0, 5 << 4, flags, 0, 0, 0)
    addresses = socket.inet_aton(sender[0]) + socket.inet_aton(receiver[0])
    length = 20 + len(tcp) + len(data)
    return struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, socket.IPPROTO_TCP, 0) + addresses + tcp + data


def capture(*packets: bytes, limit: int = 1000) -> tuple[list[Connection], int]:
    server = Endpoint("server", *SERVER)
    made = LoopbackCapture([server], limit)
    for each in packets:
        made._take(each)
    return made.connections(server), made.lost


def test_both_ways_are_told_apart_and_other_traffic_is_left() -> None:
    got, _ = capture(
        packet(CLIENT, SERVER, 99, flags=SYN),
        packet(SERVER, CLIENT, 499, flags=SYN),
        packet(CLIENT, OTHER, 1, b"something else"),
        packet(CLIENT, SERVER, 100, b"question"),
        packet(SERVER, CLIENT, 500, b"answer"),
    )
    assert got == [Connection(b"question", b"answer", whole=True)]


def test_order_is_that_of_the_sender_and_what_came_twice_counts_once() -> None:
    got, _ = capture(
        packet(CLIENT, SERVER, 99, flags=SYN),
        packet(CLIENT, SERVER, 103, b"def"),
        packet(CLIENT, SERVER, 100, b"abc"),
        packet(CLIENT, SERVER, 101, b"bcdefg"),
    )
    assert got[0].sent == b"abcdefg"


def test_what_follows_a_gap_is_left_out() -> None:
    got, _ = capture(
        packet(CLIENT, SERVER, 99, flags=SYN), packet(CLIENT, SERVER, 100, b"abc"), packet(CLIENT, SERVER, 104, b"efg")
    )
    assert got[0].sent == b"abc"


def test_sequence_numbers_may_start_over() -> None:
    last = (1 << 32) - 1
    got, _ = capture(
        packet(CLIENT, SERVER, last - 2, flags=SYN),
        packet(CLIENT, SERVER, last - 1, b"ab"),
        packet(CLIENT, SERVER, last + 1, b"cd"),
    )
    assert got[0].sent == b"abcd"


def test_a_connection_of_before_is_taken_from_where_it_is_but_is_not_whole() -> None:
    got, _ = capture(packet(CLIENT, SERVER, 700, b"abc"), packet(CLIENT, SERVER, 703, b"def"))
    assert got == [Connection(b"abcdef", b"", whole=False)]


def test_a_port_that_is_used_again_is_another_connection() -> None:
    got, _ = capture(
        packet(CLIENT, SERVER, 99, flags=SYN),
        packet(CLIENT, SERVER, 100, b"first"),
        packet(CLIENT, SERVER, 5099, flags=SYN),
        packet(CLIENT, SERVER, 5100, b"second"),
    )
    assert [each.sent for each in got] == [b"first", b"second"]


def test_what_there_is_no_room_for_is_counted_as_lost() -> None:
    got, lost = capture(
        packet(CLIENT, SERVER, 99, flags=SYN),
        packet(CLIENT, SERVER, 100, b"12345678"),
        packet(CLIENT, SERVER, 108, b"9abc"),
        limit=10,
    )
    assert (got[0].sent, lost) == (b"12345678", 1)
