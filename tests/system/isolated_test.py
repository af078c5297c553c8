#!/usr/bin/env -S python3 -B
"""Callouts in processes of their own: whatever they do, the server serves on."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import lab
from clients import Udhcpc
from lab import wait_for
from office import WIDE, OfficeTest, config
from packets import DISCOVER, MESSAGE_TYPE, message, options

ROOT = Path(__file__).resolve().parents[2]
# The words of tests/zoo/zoo.h: hooks and acts.
NEW_PACKET, DROP, SEND, ADDRESS_OFFER, OPTIONS = 1, 2, 3, 5, 6
NULL, EXIT, HANG, FORK, MEMORY, KILL = 1, 4, 6, 9, 10, 13
CLIENT = bytes([2, 0, 0, 0, 9, 1])


def zoo(more="", hosting=""):
    return config(more=f'[callouts]\n{hosting}\n[[callouts.dll]]\npath = "zoo.so"\n{more}')


def beast(hook, act):
    """The hardware address of a client that makes the callout do it."""
    return bytes([2, 0x5A, hook, act, 0, 1])


class IsolatedTest(OfficeTest):
    built = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("cc"):
            raise unittest.SkipTest("the callout of this test needs a C compiler")
        cls.built = Path(tempfile.mkdtemp(prefix="hlt-isolated-"))
        cls.addClassCleanup(shutil.rmtree, cls.built, True)
        subprocess.run(["cc", "-w", "-O1", "-shared", "-fPIC", f"-I{ROOT}/sdk/include",
                        ROOT / "tests/zoo/zoo.c", "-o",
                        cls.built / "zoo.so", "-pthread"], check=True, timeout=120)

    def setUp(self):
        super().setUp()
        shutil.copy(self.built / "zoo.so", self.lab.dir / "zoo.so")
        (self.lab.dir / "zoo.so").chmod(0o755)

    def log(self):
        return self.server.process.log()

    def helpers(self):
        """The process ids of this server's helpers, which are the spawner's children."""
        def children(pid):
            path = Path(f"/proc/{pid}/task/{pid}/children")
            return [int(word) for word in path.read_text().split()]
        return [helper for spawner in children(self.server.process.pid)
                for helper in children(spawner)]

    def faults(self):
        return re.findall(r"event=1031 .*hook=(\S+) what=(?:\"(.*?)\"|(\S+))", self.log())


class Faults(IsolatedTest):
    def test_each_fault_costs_its_packets_hook_and_nothing_else(self):
        self.serve(zoo(hosting='budget = "200ms"\nrestart = { first = "10ms", longest = "10ms", '
                               'faults-max = 100 }'))
        raw = self.wire()
        number = 0
        for hook in (NEW_PACKET, OPTIONS, ADDRESS_OFFER, SEND, DROP):
            for act in (NULL, EXIT, HANG, KILL):
                raw.dora(beast(hook, act))
                number += 1
                wait_for("the report", lambda: len(self.faults()) >= number)
                wait_for("the next helper",
                         lambda: self.log().count("callout restarted") >= number)
        self.assertIn("SIGSEGV", self.log())
        self.assertIn("took longer than its budget", self.log())
        rows = self.server.ask("callouts", "faults")
        self.assertEqual(len(rows), number)
        self.assertEqual(rows[0]["hook"], "DhcpNewPktHook")
        self.assertRegex(rows[0]["what"], r"SIGSEGV: address 0x10, at zoo\.so\+0x")
        self.assertIn("025a01", rows[0]["request"])
        self.assertEqual({row["host"] for row in self.server.ask("callouts")}, {"isolated"})
        self.assertEqual(sum(row["faults"] for row in self.server.ask("callouts")), number)
        self.assertIn("DhcpPktSendHook", self.server.tell("callouts", "faults"))
        self.assertEqual(self.server.journal("verify")[0], 0)

    def test_a_stock_client_gets_its_lease_while_the_helper_is_killed(self):
        self.serve(zoo(hosting='restart = { first = "10ms" }'))
        wait_for("the helper", self.helpers)
        before = self.helpers()
        os.kill(before[0], signal.SIGKILL)
        client = Udhcpc(self.lab, self.host())
        self.assertTrue(client.address())
        wait_for("another helper", lambda: self.helpers() and self.helpers() != before)
        wait_for("the report", self.faults)
        self.wire().dora(CLIENT)

    def test_closed_answers_nobody_until_it_is_back(self):
        self.serve(zoo(hosting='on-fault = "closed"\nrestart = { first = "3s" }'))
        raw = self.wire()
        raw.dora(CLIENT)
        wait_for("the helper", self.helpers)
        os.kill(self.helpers()[0], signal.SIGKILL)
        wait_for("the report", self.faults)
        self.assertTrue(raw.is_silent(message(CLIENT, options((MESSAGE_TYPE, DISCOVER)))))
        self.assertGreaterEqual(self.server.drops()["callout_away"], 1)
        wait_for("the next helper", lambda: "callout restarted" in self.log())
        raw.dora(bytes([2, 0, 0, 0, 9, 2]))

    def test_one_that_keeps_failing_is_left_alone_until_a_reload(self):
        self.serve(zoo(hosting='restart = { first = "1ms", longest = "1ms", faults-max = 3 }'))
        raw = self.wire()
        for _ in range(3):
            seen = len(self.faults())
            raw.dora(beast(NEW_PACKET, KILL))
            wait_for("the report", lambda: len(self.faults()) > seen)
            wait_for("what comes of it", lambda: self.log().count("callout restarted") > seen
                     or "left alone" in self.log())
        self.assertIn("left alone", self.log())
        self.assertIn("quarantined", self.server.tell("callouts"))
        raw.dora(CLIENT)
        self.assertEqual(self.helpers(), [])
        self.server.tell("callouts", "reload")
        wait_for("the helper", self.helpers)
        raw.dora(bytes([2, 0, 0, 0, 9, 3]))

    def test_no_packet_waits_for_the_helpers_memory(self):
        self.serve(zoo())
        helper = wait_for("the helper", self.helpers)[0]
        status = Path(f"/proc/{helper}/status").read_text()
        # kPacketsMax slots of three buffers of 4 KB each
        self.assertGreater(int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]), 2048 * 12)

    def test_where_memory_runs_out_a_helper_goes_before_the_server(self):
        self.serve(zoo())
        helper = wait_for("the helper", self.helpers)[0]
        self.assertEqual(Path(f"/proc/{helper}/oom_score_adj").read_text(), "1000\n")

    def test_helpers_end_with_the_server(self):
        self.serve(zoo())
        wait_for("the helper", self.helpers)
        helper = self.helpers()[0]
        self.server.process.kill()
        wait_for("its end", lambda: not Path(f"/proc/{helper}").exists())


# A callout that knows its own packets by their context, and says at STOP how many it saw come and
# go. BUILD numbers it: the entry point of 13 refuses, and that of 100 and more waits for a file.
COUNTING = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "dhcpssdk.h"
#include "hookline/host.h"
static const struct HooklineHost* host;
static unsigned begun, ended, wrong;
uint32_t hookline_attach(const struct HooklineHost* given) { host = given; return 0; }
static void say(const char* what) {
  char text[100];
  snprintf(text, sizeof text, "%s of build %d: begun=%u ended=%u wrong=%u", what, BUILD, begun,
           ended, wrong);
  host->log(host->context, HOOKLINE_LOG_INFORMATION, "counting", 7, text);
}
static DWORD CALLBACK control(DWORD code, LPVOID reserved) {
  say(code == 1 ? "START" : code == 2 ? "STOP" : code == 3 ? "PAUSE" : "CONTINUE");
  return 0;
}
static DWORD CALLBACK begin(LPBYTE* packet, DWORD* size, DWORD ip, LPVOID reserved,
                            LPVOID* context, LPBOOL process_it) {
  ++begun;
  *context = (LPVOID)(size_t)BUILD;
  return 0;
}
static DWORD CALLBACK end(LPBYTE* packet, DWORD* size, DWORD code, DWORD ip, LPVOID reserved,
                          LPVOID context) {
  if (context != (LPVOID)(size_t)BUILD) ++wrong;
  if (code == 0xB) ++ended;
  return 0;
}
DWORD CALLBACK DhcpServerCalloutEntry(LPWSTR chain, DWORD version, LPDHCP_CALLOUT_TABLE table) {
  if (BUILD >= 100) {
    say("loading");
    while (access(FOLDER "/go", F_OK) != 0) usleep(1000);
  }
  table->DhcpControlHook = control;
  table->DhcpNewPktHook = begin;
  table->DhcpPktDropHook = end;
  table->DhcpPktSendHook = end;
  return BUILD == 13 ? 5 : 0;
}
"""


class ReloadTest(IsolatedTest):
    def build(self, number, name="counting.so"):
        """As an operator puts a new build in force: written beside, then renamed."""
        source = self.lab.dir / "counting.c"
        source.write_text(COUNTING)
        made = self.lab.dir / "new.so"
        subprocess.run(["cc", "-w", "-O1", "-shared", "-fPIC", f"-DBUILD={number}",
                        f'-DFOLDER="{self.lab.dir}"', f"-I{ROOT}/sdk/include", source, "-o", made],
                       check=True, timeout=120)
        made.chmod(0o755)
        made.rename(self.lab.dir / name)

    def said(self, what):
        return re.findall(rf"{what} of build (\d+): begun=(\d+) ended=(\d+) wrong=(\d+)",
                          self.log())


class ReloadOfOne(ReloadTest):
    def builds_under_load(self, host):
        self.build(1)
        self.serve(WIDE + f'[[callouts.dll]]\npath = "zoo.so"\n'
                          f'[[callouts.dll]]\npath = "counting.so"\nhost = "{host}"\n'
                          f'[[callouts.dll]]\npath = "zoo2.so"\n')
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "32", "--duration", "4s", "--tries", "1", "--timeout", "120s",
                                "--json")
        build = 1
        while load.running():
            build += 1 if build != 12 else 2
            self.build(build)
            self.assertEqual(self.server.tell("callouts", "reload", "counting.so"),
                             "reloaded: counting.so\n")
        report = json.loads(load.log())
        self.assertEqual([report[name] for name in ("failed", "abandoned", "naks", "unexpected",
                                                    "duplicate_addresses")], [0] * 5, report)
        self.assertGreater(build, 3)
        calls = {(row["callout"], row["hook"]): row["calls"] for row in self.server.ask("callouts")}
        self.assertGreater(calls["zoo.so", "DhcpNewPktHook"], 2 * report["completed"] - 1)
        self.assertLess(calls["counting.so", "DhcpNewPktHook"], calls["zoo.so", "DhcpNewPktHook"])
        self.server.stop()
        builds = [str(n) for n in range(1, build + 1) if n != 13]
        self.assertEqual([n for n, *_ in self.said("START")], builds)
        stops = self.said("STOP")
        self.assertEqual(sorted(n for n, *_ in stops), sorted(builds))
        for number, begun, ended, wrong in stops:
            self.assertEqual((begun, wrong), (ended, "0"), f"build {number}")
        self.assertEqual(self.log().count("text=START"), 2)  # the others: once each
        self.assertEqual(self.log().count("text=STOP"), 2)
        self.assertNotIn("PktContext is wrong", self.log())
        self.assertEqual(self.faults(), [])
        self.assertEqual(self.server.journal("verify")[0], 0)

    def setUp(self):
        super().setUp()
        shutil.copy(self.lab.dir / "zoo.so", self.lab.dir / "zoo2.so")

    def test_isolated_under_load(self):
        self.builds_under_load("isolated")

    def test_in_process_under_load(self):
        self.builds_under_load("in-process")

    def test_one_that_does_not_load_leaves_the_one_before(self):
        for host in ("isolated", "in-process"):
            self.build(1)
            self.serve(config(more=f'[[callouts.dll]]\npath = "counting.so"\nhost = "{host}"\n'))
            raw = self.wire(host)
            self.build(13)
            status, _, error = self.server.try_ask("callouts", "reload", "counting.so")
            self.assertEqual(status, 1)
            self.assertIn("the one before stays", error)
            self.assertIn("its entry point returned 5 (ERROR_ACCESS_DENIED)", error)
            raw.dora(CLIENT)
            self.assertEqual(self.server.ask("callouts")[1]["calls"], 2)
            self.build(2)
            self.server.tell("callouts", "reload", "COUNTING.SO")
            raw.dora(CLIENT)
            self.server.stop()
            self.assertEqual([(b, e) for _, b, e, _ in self.said("STOP")], [("2", "2")] * 2)

    def test_names(self):
        for folder in ("other", "third"):
            (self.lab.dir / folder).mkdir()
            self.build(1, f"{folder}/zoo.so")
        self.serve(config(more='[[callouts.dll]]\npath = "third/zoo.so"\n'
                               '[[callouts.dll]]\npath = "other/zoo.so"\n'
                               '[[callouts.dll]]\npath = "missing.so"\n'))
        for name, answer in (("nobody", "no callout is called nobody; loaded: third/zoo.so, "
                              "other/zoo.so"),
                             ("missing.so", "missing.so is not loaded")):
            status, _, error = self.server.try_ask("callouts", "reload", name)
            self.assertEqual(status, 1)
            self.assertIn(answer, error)
        for name in ("other/zoo.so", str(self.lab.dir / "other/zoo.so")):
            self.assertEqual(self.server.tell("callouts", "reload", name),
                             "reloaded: other/zoo.so\n")
        self.assertIn("zoo.so may be any of these: third/zoo.so, other/zoo.so",
                      self.server.try_ask("callouts", "reload", "zoo.so")[2])

    def test_a_chain_is_one_unit(self):
        self.build(1, "a.so")
        self.build(2, "b.so")
        self.serve(config(more='[callouts]\ndlls = ["b.so", "a.so"]\n'))
        for name in ("a.so", "b.so"):
            self.assertEqual(self.server.tell("callouts", "reload", name),
                             "reloaded: a.so, and with it the chain that the DLLs make: b.so\n")
        self.wire().dora(CLIENT)
        self.server.stop()
        self.assertEqual([n for n, *_ in self.said("START")], ["1"] * 3)

    def test_one_that_is_left_alone_comes_back_and_is_told_of_a_pause(self):
        self.serve(zoo(hosting='restart = { first = "1ms", faults-max = 1 }'))
        raw = self.wire()
        raw.dora(beast(NEW_PACKET, KILL))
        wait_for("quarantine", lambda: "quarantined" in self.server.tell("callouts"))
        self.server.tell("pause")
        self.server.tell("callouts", "reload", "zoo.so")
        wait_for("START and PAUSE",
                 lambda: len(re.findall("text=(START|control)", self.log())) == 3)
        self.server.tell("continue")
        raw.dora(CLIENT)
        self.assertNotIn("quarantined", self.server.tell("callouts"))


class ReloadOfAll(ReloadTest):
    def two(self, **more):
        return config(more="".join(f'[[callouts.dll]]\npath = "{name}.so"\n{more.get(name, "")}\n'
                                   for name in ("first", "second")))

    def events(self):
        return re.findall(r"(START|STOP) of build (\d+)", self.log())

    def test_clients_are_served_while_the_new_ones_load(self):
        self.build(1, "first.so")
        self.build(2, "second.so")
        self.serve(self.two())
        raw = self.wire()
        self.build(100, "first.so")
        self.build(101, "second.so")
        reload = self.lab.process(self.server_host, lab.HOOKLINE, "callouts", "reload",
                                  "--control", self.server.control)
        wait_for("an entry point", lambda: "loading of build 100" in self.log())
        wait_for("the other one's helper", lambda: len(self.helpers()) == 4)
        for last in range(5):
            raw.dora(bytes([2, 0, 0, 0, 9, last]))
        self.assertTrue(reload.running(), reload.log())
        self.assertEqual(len(self.events()), 2)
        (self.lab.dir / "go").touch()
        self.assertEqual(reload.wait(), 0)
        self.assertEqual(reload.log(), "loaded: first.so, second.so\n")
        raw.dora(CLIENT)
        self.server.stop()
        events = self.events()  # of two processes: in which order of the two, nobody says
        self.assertEqual([sorted(events[at:at + 2]) for at in range(0, 8, 2)],
                         [[("START", "1"), ("START", "2")], [("STOP", "1"), ("STOP", "2")],
                          [("START", "100"), ("START", "101")],
                          [("STOP", "100"), ("STOP", "101")]])
        for number, begun, ended, wrong in self.said("STOP"):
            self.assertEqual((begun, wrong), (ended, "0"), f"build {number}")
        self.assertEqual(self.faults(), [])

    def test_under_load(self):
        self.build(1, "first.so")
        self.build(2, "second.so")
        self.serve(WIDE + self.two()[len(config()):])
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "32", "--duration", "3s", "--tries", "1", "--timeout", "120s",
                                "--json")
        reloads = 0
        while load.running():
            self.assertEqual(self.server.tell("callouts", "reload"),
                             "loaded: first.so, second.so\n")
            reloads += 1
        report = json.loads(load.log())
        self.assertEqual([report[name] for name in ("failed", "abandoned", "naks", "unexpected",
                                                    "duplicate_addresses")], [0] * 5, report)
        self.assertGreater(reloads, 3)
        self.server.stop()
        for what in ("START", "STOP"):
            self.assertEqual(sorted(n for n, *_ in self.said(what)),
                             ["1"] * (reloads + 1) + ["2"] * (reloads + 1))
        for number, begun, ended, wrong in self.said("STOP"):
            self.assertEqual((begun, wrong), (ended, "0"), f"build {number}")
        self.assertEqual(self.faults(), [])

    def test_when_one_does_not_load_all_stay(self):
        self.build(1, "first.so")
        self.build(2, "second.so")
        self.serve(self.two())
        raw = self.wire()
        self.build(13, "second.so")
        status, _, error = self.server.try_ask("callouts", "reload")
        self.assertEqual(status, 1)
        self.assertIn("nothing is reloaded, and the ones before stay: second.so: ", error)
        self.assertIn("ERROR_ACCESS_DENIED", error)
        raw.dora(CLIENT)
        self.assertEqual(len(self.events()), 2)
        rows = self.server.ask("callouts")
        self.assertEqual({row["callout"] for row in rows}, {"first.so", "second.so"})
        self.assertEqual(self.server.ask("status")["callouts"]["missing"], [])

    def test_one_that_was_not_there_keeps_nobody_from_being_reloaded(self):
        self.build(1, "first.so")
        self.build(13, "second.so")
        self.serve(self.two())
        self.assertIn("loaded: first.so\nnot loaded: second.so: ",
                      self.server.tell("callouts", "reload"))
        self.build(2, "second.so")
        self.assertEqual(self.server.tell("callouts", "reload"), "loaded: first.so, second.so\n")
        self.wire().dora(CLIENT)

    def test_in_process_ones_among_them_keep_their_places(self):
        self.build(1, "first.so")
        self.build(2, "second.so")
        self.serve(self.two(first='host = "in-process"'))
        self.assertEqual(self.server.tell("callouts", "reload"), "loaded: first.so, second.so\n")
        self.wire().dora(CLIENT)
        self.server.stop()
        self.assertEqual(sorted(self.events()),
                         sorted((what, n) for what in ("START", "STOP") for n in "12" * 2))


class Users(IsolatedTest):
    def users(self):
        """The users of this server's helpers."""
        return [re.search(r"Uid:\t(\d+)\t(\d+)", Path(f"/proc/{pid}/status").read_text()).groups()
                for pid in wait_for("the helper", self.helpers)]

    def check(self):
        run = subprocess.run([lab.HOOKLINE, "check", self.server.config], text=True,
                             capture_output=True, timeout=lab.PATIENCE_S)
        return run.returncode, run.stderr

    def test_they_become_the_user_that_is_named(self):
        self.serve(zoo(hosting='user = "nobody"\nrestart = { first = "1ms" }'))
        nobody = str(pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(self.users(), [(nobody, nobody)])
        before = self.helpers()
        os.kill(before[0], signal.SIGKILL)
        wait_for("another helper", lambda: self.helpers() and self.helpers() != before)
        self.assertEqual(self.users(), [(nobody, nobody)])
        self.wire().dora(CLIENT)
        self.assertEqual(self.check(), (0, ""))

    def test_without_one_of_their_own_the_log_says_how_to_get_it(self):
        self.serve(zoo())
        try:
            own = pwd.getpwnam("hookline-callouts")
            self.assertEqual(self.users(), [(str(own.pw_uid),) * 2])
        except KeyError:
            self.assertEqual(self.users(), [("0", "0")])
            self.assertRegex(self.log(), "useradd --system .* hookline-callouts")

    def test_one_that_is_not_there_is_an_error(self):
        self.server = lab.Server(self.lab, self.server_host, zoo(hosting='user = "no-such-user"'))
        self.assertEqual(self.server.launch().wait(), 1)
        self.assertIn("callouts.user: there is no user no-such-user", self.log())
        status, error = self.check()
        self.assertEqual(status, 1)
        self.assertIn("callouts.user: there is no user no-such-user", error)

    def test_without_the_host_program_it_does_not_start_unless_told_to(self):
        alone = self.lab.dir / "bin" / "hookline"
        alone.parent.mkdir()
        shutil.copy(lab.HOOKLINE, alone)
        in_process, isolated = zoo('host = "in-process"'), zoo()
        with mock.patch.object(lab, "HOOKLINE", str(alone)):
            self.server = lab.Server(self.lab, self.server_host, isolated)
            self.assertEqual(self.server.launch().wait(), 1)
            for text in (self.log(), self.check()[1]):
                self.assertIn("callouts can't be isolated", text)
                self.assertIn('host = "in-process"', text)
            self.serve(in_process)
            self.assertEqual(self.check()[0], 0)
            self.wire().dora(CLIENT)
            self.server.config.write_text(isolated)
            status, _, error = self.server.try_ask("reload")
            self.assertEqual(status, 1)
            self.assertIn("callouts can't be isolated", error)
            self.server.tell("callouts", "reload")
            self.assertEqual({row["host"] for row in self.server.ask("callouts")}, {"in-process"})
            self.server.stop()
            self.serve()  # with no callouts at all, nobody misses it


class UnderLoad(IsolatedTest):
    def test_kill_after_kill_no_client_is_left_without_an_answer(self):
        self.serve(WIDE + '[callouts]\nrestart = { first = "1ms", longest = "20ms", '
                          'faults-max = 100000 }\n[[callouts.dll]]\npath = "zoo.so"\n')
        load = self.lab.process(self.host("crowd"), lab.HOOKLINE, "load", "-i", "eth0", "--window",
                                "8", "--duration", "4s", "--tries", "1", "--timeout", "120s",
                                "--json")
        wait_for("the helper", self.helpers)
        kills = 0
        while load.running():
            for helper in self.helpers():
                try:
                    os.kill(helper, signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
            wait_for("another helper", lambda: self.helpers() or not load.running())
        report = json.loads(load.log())
        self.assertGreater(kills, 3)
        self.assertGreater(report["completed"], 0)
        self.assertEqual([report[name] for name in ("failed", "abandoned", "naks", "unexpected")],
                         [0, 0, 0, 0], report)
        self.server.stop()
        self.assertEqual(self.server.journal("verify")[0], 0)


if __name__ == "__main__":
    os.umask(0o022)
    lab.main()
