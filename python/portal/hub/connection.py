"""A connection: one socket in the hub, the bytes it has not sent yet, and how it ends.

Most of the work is in the ends. The states, and what leads from one to the next:

    OPEN     close() ........................ CLOSING   output is finished, input discarded
             a send fails ................... BROKEN    input that has come is still delivered
    BROKEN   close(), end of input .......... ENDED
    CLOSING  all sent and end of input ...... ENDED     in either order
    any      abort(), reset, deadline ....... ENDED     buried at the end of the tick

A connection that closes says goodbye properly: it sends what was written, shuts its direction,
then reads and discards until the peer has closed too. A socket that is closed with unread input
resets the connection instead, and the peer loses the last line.

A layer between socket and protocol (TLS, the PROXY header) is the connection's `protocol` and is
a connection to the protocol above it; nothing here has to know of it.
"""

import socket
from typing import TYPE_CHECKING, Any

import structlog

from portal.hub.poller import FINISHED, GONE, PLAYER, READABLE, WRITABLE, Rank
from portal.hub.protocol import NOBODY, ConnectionProtocol
from portal.hub.sockets import discard_input, is_local, take_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from portal.hub.agenda import Agenda

log = structlog.get_logger(__name__)

OPEN, BROKEN, CLOSING, ENDED = range(4)

# What is left of a long write is sent by itself: joining it to what came later would copy it anew
# in every tick.
JOIN_BYTES = 64 * 1024


class Connection:
    """One socket, made by `Hub.add_socket` and its kin.

    `protocol` may be replaced at any time and receives what comes in from then on. `address` is
    the peer's IP address ("" on a UNIX socket). `unsent` counts the bytes that were written and
    not taken by the kernel. `close_reason` is what the first `close` or `abort` said.

    Nothing here may be called from another thread. Every method may be called at any time, from
    callbacks of this and other connections and from any task, also after the end.
    """

    __slots__ = (
        "_agenda",
        "_clogged",
        "_dirty",
        "_ended",
        "_eof",
        "_fd",
        "_head",
        "_interest",
        "_paused",
        "_port",
        "_rank",
        "_reading",
        "_sent",
        "_socket",
        "_state",
        "_tail",
        "address",
        "close_reason",
        "protocol",
        "unsent",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer: tuple[Any, ...] | str,
        agenda: "Agenda",
        ended: "Callable[[Connection], None] | None" = None,
    ) -> None:
        self.protocol: ConnectionProtocol = NOBODY
        self.address: str = "" if isinstance(peer, str) else peer[0]
        self.unsent = 0
        self.close_reason = ""
        self._port: int | str = peer if isinstance(peer, str) else peer[1]
        self._socket = sock
        self._fd = sock.fileno()
        self._agenda = agenda
        self._ended = ended
        self._state = OPEN
        self._head: bytes | memoryview = b""
        self._tail: list[bytes] | None = None  # made when a second write comes before a flush
        self._dirty = False  # the agenda has it
        self._clogged = False  # the kernel left something over
        self._sent: Callable[[], None] | None = None
        self._reading = True
        self._paused = self._eof = False
        self._rank = PLAYER
        self._interest = READABLE | FINISHED
        agenda.poller.register(self._fd, self._interest, PLAYER)

    @property
    def peer(self) -> tuple[str, int] | str:
        """The peer's address and port, or the path of a UNIX socket ("" where it has none)."""
        return self._port if isinstance(self._port, str) else (self.address, self._port)

    @property
    def is_local(self) -> bool:
        """Whether the peer is on this machine: on loopback, a UNIX socket, or its own address."""
        return is_local(self._socket, self.address)

    @property
    def sessid(self) -> int | None:
        """The session's number, for logs; None where the protocol has none."""
        return getattr(self.protocol, "sessid", None)

    @property
    def rank(self) -> Rank:
        """In which turn of a tick it is served; as a LINK it is never cut for reading slowly."""
        return self._rank

    @rank.setter
    def rank(self, value: Rank) -> None:
        # Of the sockets only those that still are registered can be moved.
        if value is not self._rank and self._fd >= 0:
            self._agenda.poller.unregister(self._fd, self._rank)
            self._agenda.poller.register(self._fd, self._interest, value)
        self._rank = value

    def write(self, data: bytes) -> None:
        """Send the bytes at the end of the tick, in one `send` with all that was written.

        Never waits and never fails: a peer that takes nothing is cut in time
        (`portal.hub.slow_peers`). Ignored once the connection is closing or has ended.
        """
        if self._state or not data:
            return
        self.unsent += len(data)
        if not self._head:
            self._head = data
        elif self._tail is None:
            self._tail = [data]
        else:
            self._tail.append(data)
        if not self._dirty:
            self._dirty = True
            self._agenda.flush_later(self)

    def close(self, reason: str = "") -> None:
        """Send what was written, then end the connection; the protocol receives no more data.

        The peer has a few seconds from the last byte that it took (`close_seconds`, and
        `close_cap_seconds` in all) to read it and to close as well.
        """
        if self._state >= CLOSING:
            return
        self.close_reason = reason
        if self._state == BROKEN:
            self._end(None)
            return
        self._state = CLOSING
        self._agenda.begin_closing(self)
        self._reading = not self._eof
        self._update_interest()
        self._flush_later()

    def abort(self, reason: str = "") -> None:
        """End the connection with this tick; what was not sent yet is dropped."""
        if self._state != ENDED:
            self.close_reason = self.close_reason or reason
            self._end(None)

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`.

        A peer that ends its input meanwhile is read once more, the rest of what it sent is
        thrown away, and the protocol's `receive_eof` is called.
        """
        self._paused = True
        if self._state == OPEN:
            self._reading = False
            self._update_interest()

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        if self._state == OPEN:
            self._reading = not self._eof
            self._update_interest()

    def call_when_sent(self, sent: "Callable[[], None]") -> None:
        """Have `sent`, which must not raise, called once nothing is unsent; the end forgets it."""
        if self._state != ENDED:
            self._sent = sent
            self._clogged = True  # so that the next flush looks
            self._flush_later()

    def get_state(self) -> dict[str, Any]:
        """Return what has to be written down to go on elsewhere with the same socket."""
        return {
            "peer": self.peer,
            "unsent": b"".join((self._head, *(self._tail or ()))),
            "closing": self._state != OPEN,
            "paused": self._paused,
        }

    # From here on: called by the hub only.

    def receive(self) -> int:
        """Read once and hand the data on; returns the number of bytes."""
        if not self._reading:
            return 0
        try:
            data = self._socket.recv(self._agenda.receive_bytes)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._end(error)
            return 0
        if not data:
            self._receive_eof()
        elif self._state == CLOSING:
            self._agenda.discard(self, len(data))
        else:
            try:
                self.protocol.receive_data(data)
            except Exception as error:  # noqa: BLE001 - the barrier around a protocol; it logs
                self._crash(error)
        return len(data)

    def receive_event(self, event: int) -> int:
        """Heed readiness of any kind; returns the number of bytes that were read."""
        if self._state == ENDED:
            return 0
        if event & WRITABLE:
            self._flush_later()
        if self._eof:
            if event & GONE:
                self._end(take_error(self._socket))
            return 0
        if event & (GONE | FINISHED) and not self._reading:
            return self._receive_last()
        return self.receive()

    def flush(self) -> int:
        """Send once what was written; returns how many bytes the kernel took."""
        self._dirty = False
        if self._state == ENDED:
            return 0
        data = self._head
        if self._tail is not None and len(data) < JOIN_BYTES:
            data = self._head = b"".join((data, *self._tail))
            self._tail = None
        sent = 0
        if data:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self._break(error)
                return 0
        if sent == self.unsent and not self._clogged and self._state == OPEN:
            self._head = b""
            self.unsent = 0
        else:
            self._settle(sent)
        return sent

    def stop(self, reason: str) -> None:
        """Close because the hub stops: without waiting for the peer once all is sent."""
        self.close(reason)
        self._flush_later()

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 once it is closed."""
        return self._fd

    def bury(self, error: Exception | None) -> None:
        """Close the socket and tell the protocol."""
        fd, self._fd = self._fd, -1
        self._agenda.poller.unregister(fd, self._rank)
        self._socket.close()
        # Protocol and connection hold each other: parted here, they are freed without the
        # garbage collector.
        protocol, self.protocol = self.protocol, NOBODY
        try:
            protocol.connection_lost(error)
        except Exception:
            self._agenda.metrics.protocol_crashes += 1
            log.exception("connection_lost_failed", sessid=getattr(protocol, "sessid", None))
        if self._ended is not None:
            self._ended(self)

    def _receive_last(self) -> int:
        """Heed the end of a paused peer, which would be missed else; returns the bytes taken.

        One read of its last words is handed on. To read on to their end would let it flood.
        """
        self._reading = True
        received = self.receive()
        if self._paused and self._state == OPEN and not self._eof:
            discarded = discard_input(self._socket)
            if discarded:
                log.info("input_discarded", sessid=self.sessid, size=discarded)
            self._receive_eof()
        return received

    def _receive_eof(self) -> None:
        self._eof = True
        self._reading = False
        self._update_interest()  # it would be reported in every tick from now on
        if self._state == CLOSING:
            # What is unsent still goes out: a peer may shut its direction and go on reading.
            if not self.unsent and not self._dirty:
                self._end(None)
            return
        try:
            self.protocol.receive_eof()
        except Exception as error:  # noqa: BLE001 - the barrier around a protocol; it logs
            self._crash(error)
        if self._state == BROKEN:
            self._end(None)

    def _settle(self, sent: int) -> None:
        """Look after what a send left over, and after a connection that is closing."""
        head = self._head
        # A view, since copying the rest of a long write again and again would cost its square.
        self._head = memoryview(head)[sent:] if sent < len(head) else b""
        if not self._head and self._tail is not None:
            self._head, self._tail = b"".join(self._tail), None
        self.unsent -= sent
        self._clogged = self.unsent > 0
        self._update_interest()
        if self._state == CLOSING:
            if sent:
                self._agenda.prolong_closing(self)
            if not self.unsent:
                self._finish_output()
        if self._sent is not None and not self.unsent:
            sent_all, self._sent = self._sent, None
            sent_all()
        self._agenda.slow_peers.settle(self, progress=sent > 0)

    def _finish_output(self) -> None:
        """Shut this direction; the peer answers by closing its own."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(None)  # the peer is gone already, and all was sent
            return
        if self._agenda.stopping:
            discard_input(self._socket)  # there is no time to wait for the peer's end
        if self._eof or self._agenda.stopping:
            self._end(None)

    def _break(self, error: OSError) -> None:
        """Give up sending; what the peer sent before it went is in the kernel and still counts."""
        if self._state == CLOSING or self._eof:
            self._end(error)
            return
        self._state = BROKEN
        self._drop_unsent()
        self._agenda.slow_peers.forget(self)
        self._agenda.begin_closing(self)
        self._reading = True
        self._update_interest()

    def _crash(self, error: Exception) -> None:
        self._agenda.metrics.protocol_crashes += 1
        log.error("protocol_failed", sessid=self.sessid, address=self.address, exc_info=error)
        self.close_reason = self.close_reason or "internal error"
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._state != ENDED:
            self._state = ENDED
            self._reading = False
            self._drop_unsent()
            self._agenda.bury_later(self, error)

    def _flush_later(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._agenda.flush_later(self)

    def _drop_unsent(self) -> None:
        self._head, self._tail, self._sent = b"", None, None
        self.unsent, self._clogged = 0, False

    def _update_interest(self) -> None:
        # The end of input is reported for ever: once it is known it is not asked for any more.
        interest = 0 if self._eof else FINISHED
        interest |= (READABLE if self._reading else 0) | (WRITABLE if self._clogged else 0)
        if interest != self._interest:
            self._interest = interest
            self._agenda.poller.modify(self._fd, interest, self._rank)
