"""A requestor of bulk and active leasequery over TCP, from RFC 6926 and RFC 7724 alone."""

import socket
import struct
import time

from packets import COOKIE, MESSAGE_TYPE, ip4

BULK, DONE, ACTIVE_QUERY, STATUS, TLS = 14, 15, 16, 17, 18
UNASSIGNED, UNKNOWN, ACTIVE = 11, 12, 13
STATUS_CODE, BASE_TIME, START_OF_STATE, QUERY_START, QUERY_END, STATE = 151, 152, 153, 154, 155, 156
LAST_TRANSACTION, CLIENT_ID, RELAY_INFO = 91, 61, 82
(QUERY_TERMINATED, MALFORMED, NOT_ALLOWED, DATA_MISSING, CONNECTION_ACTIVE,
 CATCH_UP_COMPLETE) = range(2, 8)
STATE_NAMES = {1: "available", 2: "active", 3: "expired", 4: "released", 5: "abandoned"}


def query(kind=BULK, xid=1, ciaddr="0.0.0.0", mac=b"", options=()):
    """One framed query. `options`: (code, bytes)."""
    body = struct.pack("!BBBBIHH4s4s4s4s16s192x", 1, 1 if mac else 0, len(mac), 0, xid, 0, 0,
                       ip4(ciaddr), bytes(4), bytes(4), bytes(4), mac.ljust(16, b"\0")) + COOKIE
    for code, value in ((MESSAGE_TYPE, bytes([kind])), *options):
        body += bytes([code, len(value)]) + value
    body += b"\xff"
    return struct.pack("!H", len(body)) + body


def seconds(value):
    return struct.pack("!I", int(value))


class Answer:
    def __init__(self, body):
        assert body[0] == 2 and body[236:240] == COOKIE, body[:8]
        self.xid, = struct.unpack("!I", body[4:8])
        self.ciaddr = socket.inet_ntoa(body[12:16])
        self.chaddr = body[28:28 + body[2]]
        self.options, at = {}, 240
        while body[at] != 255:
            code, size = body[at], body[at + 1]
            value = body[at + 2:at + 2 + size]
            assert len(value) == size, "an option runs past the message"
            self.options[code] = self.options.get(code, b"") + value
            at += 2 + size
        assert at == len(body) - 1, "the message ends with its options"
        self.type = self.options[MESSAGE_TYPE][0]

    @property
    def status(self):
        """None: it has none, which is success."""
        return self.options.get(STATUS_CODE, [None])[0]

    @property
    def state(self):
        return STATE_NAMES[self.options[STATE][0]]

    def number(self, code):
        return struct.unpack("!I", self.options[code])[0]


class Requestor:
    """One connection, from a namespace."""

    def __init__(self, lab, namespace, server="10.77.0.1", port=67, patience_s=30):
        self.socket = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        lab.sockets.append(self.socket)
        self.socket.settimeout(patience_s)
        self.buffer = b""
        self.reset = False
        try:
            self.socket.connect((server, port))
        except ConnectionResetError:
            self.reset = True  # accepted and closed at once

    def ask(self, **fields):
        self.socket.sendall(query(**fields))

    def next(self, wait_s=None):
        """The next answer; None: the server ended the connection. Raises TimeoutError."""
        if wait_s is not None:
            self.socket.settimeout(wait_s)
        while True:
            if len(self.buffer) >= 2:
                size, = struct.unpack("!H", self.buffer[:2])
                if len(self.buffer) >= 2 + size:
                    body, self.buffer = self.buffer[2:2 + size], self.buffer[2 + size:]
                    return Answer(body)
            more = self.socket.recv(1 << 20)
            if not more:
                assert not self.buffer, "it ends within a message"
                return None
            self.buffer += more

    def until_done(self):
        """The leases, and the message that ends them."""
        leases = []
        while True:
            answer = self.next()
            assert answer is not None, "the connection ended before the query did"
            if answer.type in (DONE, STATUS):
                return leases, answer
            leases.append(answer)

    def all(self, **fields):
        self.ask(**fields)
        leases, done = self.until_done()
        assert done.status is None, done.options
        return leases

    def ended(self):
        """Whether the server lets go of the connection, in whatever way."""
        if self.reset:
            return True
        try:
            while self.next() is not None:
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self):
        self.socket.close()


def now():
    return int(time.time())
