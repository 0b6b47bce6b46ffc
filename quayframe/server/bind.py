"""The address to listen on: resolved, checked to be free, and kept while the server comes and goes."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from quayframe.errors import StartError
from quayframe.serving import format_bind


@dataclass(frozen=True)
class Reservation:
    """An address that this process holds without listening on it.

    The web processes bind it beside the holder by SO_REUSEPORT; a socket that does not listen gets none of
    their connections, but keeps the port theirs while they restart.
    """

    host: str
    port: int
    holder: socket.socket

    def close(self) -> None:
        self.holder.close()


def reserve(host: str, port: int) -> Reservation:
    """Resolve the host and hold the address; port 0 takes a free one.

    :raises StartError: unknown host, address in use, or not this machine's.
    """
    where = format_bind(host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        if port:
            # With SO_REUSEPORT a second registry of this user would be let in beside the first, and the two
            # would share the clients: so it must be free without that option first.
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        holder = socket.socket(family, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        raise StartError(f"cannot listen on {where}: {error.strerror or error}") from None
    name = holder.getsockname()
    return Reservation(str(name[0]), int(name[1]), holder)
