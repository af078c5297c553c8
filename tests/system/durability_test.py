#!/usr/bin/env -S python3 -B
"""What was acknowledged stays: across restarts, kill -9, full disks, and beside a second server."""

import random
import re
import signal
import threading

import lab
from clients import Udhcpc
from lab import Server, wait_for
from office import OfficeTest, WIDE, config
from packets import (ACK, DISCOVER, MESSAGE_TYPE, OFFER, REQUEST, REQUESTED, SERVER_ID, frame,
                     message, options)

class Flood(threading.Thread):
    """Many clients at once, as fast as Python can; `granted` is every ACK seen on the wire."""

    def __init__(self, wire, seed):
        super().__init__(daemon=True)
        self.wire, self.random = wire, random.Random(seed)
        self.granted, self.refused, self.conflicts = {}, 0, []
        self.halt = threading.Event()

    def run(self):
        outstanding = 0
        while not self.halt.is_set():
            while outstanding < 32:
                self.discover()
                outstanding += 1
            seen = 0
            for reply in self.wire.replies(0.2):
                seen += 1
                self.take(reply)
                if self.halt.is_set():
                    return
                if reply.type == ACK:
                    self.discover()
            if not seen:
                outstanding = 0  # the server is away: begin anew

    def discover(self):
        mac = bytes([2, 1]) + self.random.randbytes(4)
        self.wire.send(frame(mac, message(mac, options((MESSAGE_TYPE, DISCOVER)),
                                          xid=self.random.getrandbits(32))))

    def take(self, reply):
        mac = reply.chaddr
        if reply.type == OFFER:
            self.wire.send(frame(mac, message(mac, options(
                (MESSAGE_TYPE, REQUEST), (REQUESTED, reply.yiaddr),
                (SERVER_ID, reply.options[SERVER_ID])), xid=reply.xid)))
        elif reply.type == ACK:
            if self.granted.setdefault(reply.yiaddr, mac) != mac:
                self.conflicts.append(reply.yiaddr)

    def stop(self):
        self.halt.set()
        self.join()
        # What was on its way when the thread stopped counts too.
        for reply in self.wire.replies(0.5):
            self.take(reply) if reply.type == ACK else None


class Restart(OfficeTest):
    def test_same_address_after_restart_and_after_kill_9(self):
        self.serve()
        host = self.host()
        client = Udhcpc(self.lab, host)
        address = client.address()
        for again in (self.server.restart, self.server.crash, self.server.crash):
            client.kill()
            again()
            self.assertEqual(self.server.leases()[address]["state"], "active")
            client = Udhcpc(self.lab, host)
            self.assertEqual(client.address(), address)
        client.renew()
        self.assertEqual(client.address(), address)

    def test_every_ack_survives_kill_9_under_load(self):
        seed = random.getrandbits(32)
        print(f"seed {seed}", flush=True)
        self.serve(WIDE)
        flood = Flood(self.wire(), seed)
        flood.start()
        try:
            for round_number in range(1, 4):
                enough = len(flood.granted) + 200
                wait_for(f"{enough} leases", lambda: len(flood.granted) >= enough)
                self.server.process.kill()
                self.server.start()
        finally:
            flood.stop()
        self.assertEqual(flood.conflicts, [])
        self.every_ack_is_there(flood)
        self.server.stop()
        status, text = self.server.journal("dump")
        self.assertEqual(status, 0, text[-500:])
        lost = [address for address in flood.granted
                if not re.search(rf"\b{re.escape(address)}\b", text)]
        self.assertEqual(lost, [])
        self.assertEqual(self.server.journal("verify")[0], 0)

    def every_ack_is_there(self, flood):
        rows = self.server.leases()
        for address, mac in flood.granted.items():
            self.assertIn(address, rows)
            self.assertEqual(rows[address]["hw_address"], mac.hex(":"))

    def test_sigterm_is_clean(self):
        self.serve()
        self.wire().dora(bytes([2, 0, 0, 0, 1, 1]))
        self.server.stop()
        self.assertFalse(self.server.control.exists())
        self.assertEqual(self.server.journal("verify")[0], 0)
        self.assertEqual(self.server_host.run("ss", "-Hlnup", check=False).strip(), "")

    def test_sigint_is_clean(self):
        self.serve()
        self.server.process.signal(signal.SIGINT)
        self.assertEqual(self.server.process.wait(), 0)


class SecondServer(OfficeTest):
    def test_it_refuses_the_same_state(self):
        self.serve()
        second = Server(self.lab, self.lab.namespace("second"), config(), state=self.server.state)
        second.launch()
        self.assertNotEqual(second.process.wait(), 0)
        self.assertIn(str(self.server.state), second.process.log())
        self.wire().dora(bytes([2, 0, 0, 0, 1, 2]))


class Damage(OfficeTest):
    def test_a_corrupt_journal_is_refused_with_the_way_out(self):
        self.serve()
        raw = self.wire()
        for i in range(50):
            raw.dora(bytes([2, 0, 0, 0, 2, i]))
        self.server.stop()
        self.damage()
        self.assertNotEqual(self.server.journal("verify")[0], 0)
        self.server.launch()
        self.assertNotEqual(self.server.process.wait(), 0)
        self.assertIn("hookline journal", self.server.process.log())

    def damage(self):
        """Flips bits in front of the last record of the largest file: no torn tail looks so."""
        files = [path for path in self.server.state.iterdir() if path.is_file()]
        largest = max(files, key=lambda path: len(path.read_bytes().rstrip(b"\0")))
        data = bytearray(largest.read_bytes())
        end = len(data.rstrip(b"\0"))
        self.assertGreater(end, 1000, "a journal of 50 leases is longer")
        for at in range(end // 2, end // 2 + 16):
            data[at] ^= 0xFF
        largest.write_bytes(data)


class FullDisk(OfficeTest):
    """Granting stops with a clear error, and goes on when there is space again."""

    def serve_on_a_disk_with(self, room):
        """Room for the journal's first segment of 16 MiB, or not even for that."""
        self.disk = self.lab.tmpfs("60m")
        self.ballast = self.disk / "ballast"
        self.ballast.write_bytes(bytes((60 << 20) - room))
        self.serve(WIDE, state=self.disk / "state")

    def state(self):
        return self.server.ask("status")["state"]

    def free_space(self):
        self.ballast.unlink()
        wait_for("the server to grant again", lambda: self.state() == "serving")

    def test_a_disk_that_fills_up(self):
        self.serve_on_a_disk_with(20 << 20)
        raw = self.wire()
        flood = Flood(raw, 1)
        flood.start()
        # Python is too slow to fill a segment.
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0",
                                "--window", "128", "--clients", "20000", "--count", "5000000")
        try:
            wait_for("the server to stop granting", lambda: self.state() == "not-granting", 240)
        finally:
            load.close()
            flood.stop()
        self.assertRegex(self.server.process.log(), r"(?i)error .*no (room|space)")
        with self.assertRaises(AssertionError):
            raw.dora(bytes([2, 0, 0, 0, 1, 3]))
        self.assertGreater(self.server.drops()["not_granting"], 0)
        self.free_space()
        raw.dora(bytes([2, 0, 0, 0, 1, 4]))
        self.assertEqual(flood.conflicts, [])
        Restart.every_ack_is_there(self, flood)
        self.server.crash()
        Restart.every_ack_is_there(self, flood)

    def test_a_disk_that_is_full_from_the_start(self):
        try:
            self.serve_on_a_disk_with(1 << 20)
        except AssertionError as error:
            self.assertRegex(str(error), r"(?i)no (room|space)")
            return
        self.assertEqual(self.state(), "not-granting")
        self.free_space()
        self.wire().dora(bytes([2, 0, 0, 0, 1, 5]))


if __name__ == "__main__":
    lab.main()
