"""DHCP packets made and read by hand: for clients that do what no stock client does."""

import random
import select
import socket
import struct
import time

from lab import PATIENCE_S

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
COOKIE = bytes([99, 130, 83, 99])
BROADCAST_MAC = b"\xff" * 6
SUBNET_MASK, ROUTER, HOSTNAME, REQUESTED, LEASE_TIME, MESSAGE_TYPE = 1, 3, 12, 50, 51, 53
SERVER_ID, MESSAGE, CLIENT_ID, RELAY_INFO = 54, 56, 61, 82


def ip4(text):
    return socket.inet_aton(text)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def options(*pairs, end=True):
    """(code, bytes or dotted text or number of a byte) … as they go on the wire."""
    out = b""
    for code, value in pairs:
        if isinstance(value, str):
            value = ip4(value)
        elif isinstance(value, int):
            value = bytes([value])
        out += bytes([code, len(value)]) + value
    return out + (b"\xff" if end else b"")


def message(mac, opts, *, op=1, htype=1, hlen=6, hops=0, xid=1, flags=0, ciaddr="0.0.0.0",
            giaddr="0.0.0.0", cookie=COOKIE, pad=300):
    head = struct.pack("!BBBBIHH4s4s4s4s16s192x", op, htype, hlen, hops, xid, 0, flags, ip4(ciaddr),
                       bytes(4), bytes(4), ip4(giaddr), mac[:16].ljust(16, b"\0"))
    return (head + cookie + opts).ljust(pad, b"\0")


def frame(mac, payload, *, to_mac=BROADCAST_MAC, source="0.0.0.0", to="255.255.255.255",
          source_port=68, port=67, udp_length=None, udp_checksum=None, ip_checksum=None,
          fragment=0):
    """An Ethernet frame around `payload`; what is given is written so, even where it is wrong."""
    length = 8 + len(payload)
    pseudo = ip4(source) + ip4(to) + struct.pack("!BBH", 0, 17, length)
    udp = struct.pack("!HHH", source_port, port, length if udp_length is None else udp_length)
    if udp_checksum is None:
        ports = struct.pack("!HHHH", source_port, port, length, 0)
        udp_checksum = checksum(pseudo + ports + payload)
        udp_checksum = udp_checksum or 0xFFFF
    udp += struct.pack("!H", udp_checksum) + payload

    def header(value):
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, fragment, 64, 17, value,
                           ip4(source), ip4(to))

    if ip_checksum is None:
        ip_checksum = checksum(header(0))
    return to_mac + mac + b"\x08\x00" + header(ip_checksum) + udp


class Reply:
    """A DHCP message as a client reads it."""

    def __init__(self, raw):
        self.raw = raw
        self.to_mac, self.from_mac = raw[:6], raw[6:12]
        header = (raw[14] & 15) * 4
        self.source, self.to = (socket.inet_ntoa(raw[i:i + 4]) for i in (26, 30))
        self.payload = raw[14 + header + 8:14 + struct.unpack("!H", raw[16:18])[0]]
        body = self.payload
        self.xid, = struct.unpack("!I", body[4:8])
        self.flags, = struct.unpack("!H", body[10:12])
        self.ciaddr, self.yiaddr, self.siaddr, self.giaddr = (
            socket.inet_ntoa(body[i:i + 4]) for i in (12, 16, 20, 24))
        self.chaddr = body[28:34]
        self.options, at = {}, 240
        while at < len(body) and body[at] != 255:
            if body[at] == 0:
                at += 1
                continue
            code, size = body[at], body[at + 1]
            self.options[code] = self.options.get(code, b"") + body[at + 2:at + 2 + size]
            at += 2 + size
        self.type = self.options.get(MESSAGE_TYPE, b"\0")[0]

    @classmethod
    def read(cls, raw):
        """None where it is not a DHCP reply."""
        if len(raw) < 14 + 20 + 8 + 240 or raw[12:14] != b"\x08\x00" or raw[23] != 17:
            return None
        header = (raw[14] & 15) * 4
        port, = struct.unpack("!H", raw[14 + header + 2:14 + header + 4])
        return cls(raw) if port in (67, 68) and raw[14 + header + 8] == 2 else None


class Wire:
    """An interface of a namespace, frame by frame."""

    def __init__(self, lab, namespace, interface="eth0"):
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind((interface, 0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.mac = mac_bytes(namespace.mac(interface))
        lab.sockets.append(self.socket)

    def send(self, raw):
        self.socket.send(raw)

    def replies(self, seconds):
        """Replies as they come, until nothing has come for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            reply = Reply.read(self.socket.recv(65536))
            if reply:
                yield reply

    def reply_to(self, xid, seconds=PATIENCE_S):
        for reply in self.replies(seconds):
            if reply.xid == xid:
                return reply
        return None

    def ask(self, payload, seconds=PATIENCE_S, **how):
        """Sends a client's message and returns the answer, or None."""
        xid, = struct.unpack("!I", payload[4:8])
        self.send(frame(payload[28:34], payload, **how))
        return self.reply_to(xid, seconds)

    def is_silent(self, payload, seconds=1.0, **how):
        return self.ask(payload, seconds, **how) is None

    def dora(self, mac, *more, xid=None):
        """DISCOVER to ACK for a hardware address; returns the ACK. `more`: further options."""
        xid = xid or random.getrandbits(32)
        offer = self.ask(message(mac, options((MESSAGE_TYPE, DISCOVER), *more), xid=xid))
        if offer is None or offer.type != OFFER:
            raise AssertionError(f"no OFFER for {mac.hex(':')}")
        ack = self.ask(message(mac, options(
            (MESSAGE_TYPE, REQUEST), (REQUESTED, offer.yiaddr),
            (SERVER_ID, offer.options[SERVER_ID]), *more), xid=xid))
        if ack is None or ack.type != ACK:
            raise AssertionError(f"no ACK for {mac.hex(':')}")
        return ack
