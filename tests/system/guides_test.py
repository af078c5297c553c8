#!/usr/bin/env -S python3 -B
"""Every command that a guide shows is run as it stands there, in order, on a machine to spoil.

    ```sh        commands, a line each; each has to succeed
    ```console   commands behind `$ `, and what they say, which has to be what they say

In what is shown, `…` is any text, and a line of it any lines; times, and numbers with a point, are
any other such; runs of spaces are alike. `<!-- not run: REASON -->` above a block leaves it out.
"""

import re
import signal
import unittest
from pathlib import Path

import lab
from lab import HOOKLINE, Lab, wait_for
from machine import Machine
from packets import (DISCOVER, MESSAGE_TYPE, REQUEST, REQUESTED, SERVER_ID, Wire, mac_bytes,
                     message, options)

ROOT = Path(__file__).resolve().parents[2]
SDK_BUILD = "/root/.cache/hookline-sdk"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
NUMBER = r"(?<![\d.])\d+\.\d+(?![\d.])"
HOME = "/root/guide"


class Block:
    def __init__(self, heading, number, kind, reason):
        self.heading, self.number, self.kind, self.reason = heading, number, kind, reason
        self.lines = []

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def steps(self):
        """(command, lines that it says or None where nothing is shown)"""
        found, open_command = [], None
        for line in self.lines:
            is_command = self.kind == "sh" or line.startswith("$ ")
            if open_command is not None:
                open_command[0] += "\n" + line
            elif is_command:
                words = line if self.kind == "sh" else line[2:]
                open_command = [words, None if self.kind == "sh" else []]
                found.append(open_command)
            else:
                found[-1][1].append(line)
            if open_command and not re.search(r"(\\|&&|\|)$", line):
                open_command = None
        return found


def blocks(text):
    found, block, heading, reason, indent = [], None, "", None, ""
    for number, line in enumerate(text.split("\n"), 1):
        fence = re.match(r"( *)```(\w*)$", line)
        if block and fence:
            found.append(block)
            block = reason = None
        elif block:
            block.lines.append(line.removeprefix(indent))
        elif fence:
            indent = fence[1]
            block = Block(heading, number, fence[2], reason)
        elif match := re.match(r"#+ (.*)", line):
            heading = match[1]
        elif match := re.match(r" *<!-- not run: (.+) -->$", line):
            reason = match[1]
        elif line.strip():
            reason = None
    return found


def pattern(shown):
    """What a line of output has to be like."""
    parts = re.split(f"(…|{TIME}|{NUMBER}| +)", shown.strip())
    likes = {"…": ".*"}
    out = ""
    for part in parts:
        if part in likes:
            out += likes[part]
        elif re.fullmatch(TIME, part):
            out += TIME
        elif re.fullmatch(NUMBER, part):
            out += r"\d+(?:\.\d+)?"
        else:
            out += r"\s+" if part.isspace() else re.escape(part)
    return out


def is_like(shown, said):
    whole = ""
    for line in shown:
        whole += r"(?:.*\n)*" if line.strip() == "…" else r"[ \t]*" + pattern(line) + r"[ \t]*\n"
    return re.fullmatch(whole, said if not said or said.endswith("\n") else said + "\n")


class Rules(unittest.TestCase):
    """The test's own: it has to be able to fail."""

    def test_what_is_alike(self):
        shown = ["A  at 2026-01-02T03:04:05Z took 1.5 ms of …", "…", "end 10.77.0.1"]
        said = "A at 2027-11-12T13:14:15.167Z took 12.25 ms of x y\nmore\nmore\nend 10.77.0.1\n"
        self.assertTrue(is_like(shown, said))
        for one, other in (("10.77.0.1", "10.77.0.2"), ("A", "B"), ("took", "tok")):
            self.assertFalse(is_like(shown, said.replace(one, other)), other)

    def test_steps(self):
        text = ("# H\n\n<!-- not run: why -->\n```sh\na &&\n  b\nc # d\n```\n\n"
                "  ```console\n  $ e\n  f\n  ```\n")
        one, two = blocks(text)
        self.assertEqual((one.heading, one.reason, one.steps()),
                         ("H", "why", [["a &&\n  b", None], ["c # d", None]]))
        self.assertEqual((two.reason, two.steps()), (None, [["e", ["f"]]]))

    def test_every_command_of_every_page_stands_in_a_guide(self):
        guides = {case.PAGE for case in (Readme, Operating, CalloutGuide, InjectionGuide)}
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
            name = page.relative_to(ROOT).as_posix()
            text = page.read_text()
            fenced = any(block.kind in ("sh", "console") for block in blocks(text))
            self.assertTrue(name in guides or not fenced, f"nothing runs the commands of {name}")
            text = re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.M | re.S)
            bare = re.search(r"^ {4,}(\$ |\./|sdk/|hookline ).*", text, flags=re.M)
            self.assertFalse(bare, f"{name}: put it in a ```sh block: {bare and bare[0]}")


class Guide:
    """A server's machine with eth0, and a client on the same wire. Subclasses are one page each."""

    PAGE = None
    MAC = "02:00:00:00:00:07"

    def setUp(self):
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        server, client = self.lab.namespace("server"), self.lab.namespace("client")
        self.lab.wire(server, "eth0", client, "eth0")
        server.address("eth0", "10.77.0.1/24")
        self.wire = Wire(self.lab, client)
        self.machine = Machine(self.lab, server, ROOT)
        self.told, self.staying = set(), []
        build = Path(HOOKLINE).resolve().parent
        self.machine.must(f"mkdir -p {HOME} {SDK_BUILD} /usr/sbin && cd {HOME} && "
                          f"ln -s {ROOT}/sdk {ROOT}/examples . && "
                          f"ln -s {build}/hookline /usr/local/sbin/hookline && "
                          f"ln -sf {build}/hookline /usr/sbin/hookline")

    def before(self, block):
        """What has to be so before a block of the page is run."""

    def client_comes(self, mac=None):
        return self.wire.dora(mac_bytes(mac or self.MAC)).yiaddr

    def test_page(self):
        found = blocks((ROOT / self.PAGE).read_text())
        for block in found:
            if not block.reason:
                self.before(block)
            if block.kind not in ("sh", "console"):
                continue
            if block.reason:
                print(f"{self.PAGE}:{block.number} is not run: {block.reason}", flush=True)
                continue
            for command, shown in block.steps():
                self.step(f"{self.PAGE}:{block.number}", command, shown)
            self.quiet()
        self.stop_servers()

    def step(self, place, command, shown):
        if match := re.match(r"(?:ip netns exec \S+ )?hookline (serve|trace)\b", command):
            process = self.machine.start(command.partition(" #")[0].strip(), HOME)
            self.staying.append((match[1], command, process))
            if match[1] == "serve":
                self.wait_for_server(command, process)
            else:
                self.follow(place, command, process, shown)
            return
        # A machine that is busy with other things is not the callout's fault.
        patient = re.sub(r"^hookline callout check", r"\g<0> --budget 60s --timeout 120s", command)
        status, said = self.machine.run(patient, HOME)
        if shown is None:
            self.assertEqual(status, 0, f"{place}: {command}\n{said}")
        else:
            self.compare(place, command, shown, said)

    def compare(self, place, command, shown, said):
        if not is_like(shown, said):
            shows = "\n".join(shown)
            self.fail(f"{place}: $ {command}\n--- the page shows\n{shows}\n--- it says\n{said}")

    def wait_for_server(self, command, process):
        control = re.search(r"--control \S+", command)
        ask = f"hookline status {control[0] if control else ''}"
        def answers():
            self.assertTrue(process.running(), f"{command}\n{process.log()}")
            return self.machine.run(ask)[0] == 0
        wait_for("the server to answer", answers)

    def follow(self, place, command, process, shown):
        """`hookline trace`, while a client comes."""
        wait_for("the trace to open", lambda: "following" in process.log())
        self.client_comes()
        if shown is None:
            wait_for("a line of the trace", lambda: process.log().count("\n") > 1)
        else:
            try:
                wait_for("the trace", lambda: is_like(shown, process.log()), 5)
            except AssertionError:
                self.compare(place, command, shown, process.log())

    def quiet(self):
        """What follows something ends with its block; a server stays."""
        for what, _, process in self.staying:
            if what == "trace":
                self.machine.stop(process, signal.SIGINT)
        self.staying = [entry for entry in self.staying if entry[0] != "trace"]

    def stop_servers(self):
        for _, command, process in self.staying:
            self.assertEqual(self.machine.stop(process), 0, f"{command}\n{process.log()}")
        self.staying = []


class Readme(Guide, unittest.TestCase):
    PAGE = "README.md"

    def before(self, block):
        if block.kind == "toml":
            self.machine.write(f"{HOME}/office.toml", block.text)
        elif block.kind == "c":
            self.stop_servers()
            self.machine.write(f"{HOME}/unlucky.c", block.text)


class CalloutGuide(Guide, unittest.TestCase):
    PAGE = "docs/callout_guide.md"
    # What the page says of the callout whose check it shows.
    APPEND = """#include <string.h>
#include <windows.h>
#include <dhcpssdk.h>
static DWORD CALLBACK NewPkt(LPBYTE *Packet, DWORD *Size, DWORD Ip, LPVOID R, LPVOID *C, LPBOOL P) {
    static const BYTE Option[] = {224, 1, 7};
    if (*Size > 240) {
        memcpy(*Packet + *Size, Option, sizeof(Option));
        *Size += sizeof(Option);
    }
    return ERROR_SUCCESS;
}
DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR Chain, DWORD Version, LPDHCP_CALLOUT_TABLE Table) {
    Table->DhcpNewPktHook = NewPkt;
    return ERROR_SUCCESS;
}
"""

    def before(self, block):
        config = f"{HOME}/hookline.toml"
        if block.kind == "c" and "unlucky.c" in block.text:
            readme = next(b for b in blocks((ROOT / "README.md").read_text()) if b.kind == "toml")
            self.machine.write(config, readme.text)
            self.machine.write(f"{HOME}/unlucky.c", block.text)
        elif block.kind == "toml" and block.heading == "The shortest callout":
            self.machine.write(config, block.text, append=True)
        elif block.heading == "What the check says":
            self.machine.write(f"{HOME}/append.c", self.APPEND)
            self.machine.must("sdk/hookline-cc append.c -o append.so", HOME)


class InjectionGuide(Guide, unittest.TestCase):
    PAGE = "docs/injection_guide.md"
    CONFIG = f"{HOME}/hookline.toml"

    def before(self, block):
        if block.kind == "c":
            readme = next(b for b in blocks((ROOT / "README.md").read_text()) if b.kind == "toml")
            self.machine.write(self.CONFIG, readme.text)
            self.machine.write(f"{HOME}/quiet.c", block.text)
        elif block.kind == "toml":
            self.machine.write(self.CONFIG, "\n" + block.text, append=True)
        elif "$ hookline filter\n" in block.text:
            quiet = message(mac_bytes("02:00:00:00:00:0d"), options((MESSAGE_TYPE, DISCOVER)))
            self.assertTrue(self.wire.is_silent(quiet, 0.5))
            self.client_comes()
        elif "^INJECTIONS" in block.text:
            self.client_comes()


class Operating(Guide, unittest.TestCase):
    PAGE = "docs/operating.md"
    CONFIG = "/etc/hookline/hookline.toml"
    UNIT = "/etc/systemd/system/hookline.service"
    STATE = "/var/lib/hookline"
    # systemd is not there; what the page's unit file says is done by this.
    SYSTEMCTL = r"""#!/bin/bash
says() { sed -n "s/^$1=//p" UNIT; }
pid=/run/hookline.pid
stop() {
  [ -e $pid ] || return 0
  kill $(<$pid); while kill -0 $(<$pid) 2>&-; do sleep 0.05; done; rm $pid
}
start() {
  mkdir -p /run/$(says RuntimeDirectory) /var/lib/$(says StateDirectory)
  $(says ExecStartPre) || exit 1
  $(says ExecStart) >/run/hookline.log 2>&1 </dev/null & echo $! >$pid
  until hookline status >/run/last 2>&1; do kill -0 $! || exit 1; sleep 0.05; done
}
[ "$2" = hookline ] || exit 1
case $1 in
  stop | start) $1 ;; restart) stop; start ;; reload) $(says ExecReload) ;; *) exit 1 ;;
esac
"""

    def before(self, block):
        if block.kind == "toml" and block.heading == "Leasequery":
            self.machine.write(self.CONFIG, "\n" + block.text, append=True)
            self.client_comes()
        story = {"Start": self.configure, "systemd": self.install_unit, "Look": self.clients_come,
                 "The disk is full or fails": self.damage, "A second server": self.repaired,
                 "Metrics": lambda: self.machine.must("mkdir -p /var/lib/node_exporter"),
                 "Backup and restore": self.hand_over}
        if block.kind and (act := story.get(block.heading)) and block.heading not in self.told:
            self.told.add(block.heading)
            act() if block.heading != "systemd" else act(block)

    def configure(self):
        readme = next(b for b in blocks((ROOT / "README.md").read_text()) if b.kind == "toml")
        self.machine.write(self.CONFIG, readme.text)

    def install_unit(self, block):
        self.machine.write(self.UNIT, block.text)
        self.machine.write("/usr/local/sbin/systemctl", self.SYSTEMCTL.replace("UNIT", self.UNIT))
        self.machine.must("chmod 755 /usr/local/sbin/systemctl")

    def clients_come(self):
        self.client_comes()
        other_server = message(mac_bytes("02:00:00:00:00:08"), options(
            (MESSAGE_TYPE, REQUEST), (REQUESTED, "10.77.0.101"), (SERVER_ID, "10.77.0.2")))
        self.assertTrue(self.wire.is_silent(other_server, 0.2))
        wait_for("the drop", lambda: "wrong_server" in self.machine.must("hookline drops"))

    def damage(self):
        """A byte of a record that others follow turns round."""
        self.client_comes("02:00:00:00:00:08")
        self.client_comes("02:00:00:00:00:09")
        self.stop_servers()
        path = Path(f"/proc/{self.machine.pid}/root{self.STATE}/journal-0000000001.log")
        data = bytearray(path.read_bytes())
        data[data.index(bytes.fromhex("020000000008"))] ^= 0xFF
        path.write_bytes(data)

    def serve(self):
        self.step("again", f"hookline serve --config {self.CONFIG}", None)

    def repaired(self):
        self.serve()
        self.lab.wire(self.lab.namespace("server"), "eth1", self.lab.namespace("client"), "eth1")
        self.machine.must(f"sed s/eth0/eth1/ {self.CONFIG} >{HOME}/b.toml")

    def hand_over(self):
        self.stop_servers()
        self.machine.must("mkdir /backup && systemctl start hookline")


if __name__ == "__main__":
    lab.main()
