# SPDX-License-Identifier: MIT
"""list, show, retry, drop and move, on spools with everything in them: with the daemon
running and not, by those who may and those who may not."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import subprocess
import time

import pytest

import programs
from checks import check_exactly, check_numbers
from fakedaemon import FakeDaemon
from spool import wait_for

DAEMON, GROUP = 2001, 2000
MEMBER = {"user": 1001, "group": 1001, "extra_groups": [GROUP]}
STRANGER = {"user": 1003, "group": 1003, "extra_groups": []}

# One attempt, and every failure counts: what is refused is dead at once.
MORTAL = {"retries": 0, "outage": "count"}


def listed(hooks, *args, **options):
    """The lines of `list --json`."""
    done = hooks.control("list", "--json", *args, timeout=120, **options)
    assert done.returncode in (0, 1) and not done.stderr, done
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode == 0) == bool(lines), done
    return lines


def counted(done):
    """{"retried": 3, "stale": 1} of the line that a verb prints."""
    words = re.findall(r"(\w+) (\d+)\b", done.stdout.split(";")[0])
    words += [(w, n) for n, w in re.findall(r"; (\d+) (\w+)", done.stdout)]
    return {w: int(n) for w, n in words}


def make_dead(hooks, receiver, count, **options):
    """Letters of `count` made-up events; their ids."""
    receiver.answer(status=422)
    ids = hooks.generate(count, batch=min(count, 500), **options)
    wait_for("all are dead", lambda: hooks.endpoint_status().get("dead") == count,
             timeout=60)
    receiver.forget_rules()
    return ids


@pytest.fixture
def mortal(hooks, receiver):
    hooks.endpoint(receiver=receiver, **MORTAL).init()
    hooks.start()
    return hooks


@pytest.fixture
def full(hooks, make_receiver):
    """A spool with something in every place and endpoints in every state; no daemon."""
    good, bad = make_receiver(), make_receiver()
    bad.answer(status=422)
    hooks.endpoint("lively", receiver=good)
    hooks.endpoint("deadly", receiver=bad, **MORTAL)
    hooks.endpoint("paused", receiver=good)
    hooks.endpoint("gone", receiver=good)
    hooks.endpoint("away", url="http://127.0.0.1:1/", probe_max="1h", backoff="1h",
                   backoff_max="1h")
    hooks.endpoint("wrong", receiver=bad, probe_max="1h", backoff="1h", backoff_max="1h")
    hooks.endpoint("orphan", receiver=good)
    hooks.init()
    for name in ("paused", "gone", "orphan"):
        assert hooks.control("pause", name).returncode == 0
    state = hooks.spool / "state" / "gone.endpoint"
    state.write_text(state.read_text(encoding="utf-8").replace("paused", "gone"),
                     encoding="utf-8")
    bad.answer(status=401)
    hooks.start()
    hooks.generate(20, monitors=5)
    for name in ("deadly", "lively"):
        wait_for(f"{name} has nothing left", lambda n=name: not hooks.files(f"queue/{n}")
                 and not hooks.files("incoming") and hooks.files("queue/paused"))
    hooks.daemon.stop()
    del hooks.endpoints["orphan"]
    hooks.write()
    (hooks.spool / "corrupt" / "0000000000001-000000-garbage").write_bytes(b"\x1b[2J\xff")
    hooks.generate(3, prefix="fresh")
    return hooks


def test_list_sees_every_place(full):
    lines = listed(full)
    places = {}
    for line in lines:
        key = (line["place"], line["endpoint"] or "")
        places[key] = places.get(key, 0) + 1
    assert places == {("incoming", ""): 3, ("corrupt", ""): 1, ("waiting", "paused"): 20,
                      ("waiting", "gone"): 20, ("waiting", "away"): 20,
                      ("waiting", "wrong"): 20, ("waiting", "orphan"): 20,
                      **({("dead", "deadly"): 20} if full.dead("deadly") else {})}
    for line in lines:
        assert line["orphaned"] == (line["endpoint"] == "orphan")
        if line["place"] != "corrupt":
            assert line["id"] and line["monitor_name"] and line["type"]
        if line["place"] in ("waiting", "dead"):
            assert line["sequence"] > 0
    waiting = [n["sequence"] for n in lines if n["endpoint"] == "paused"]
    assert waiting == sorted(waiting)


SELECTIONS = (
    (("--waiting",), lambda n: n["place"] == "waiting"),
    (("--dead",), lambda n: n["place"] == "dead"),
    (("--incoming",), lambda n: n["place"] == "incoming"),
    (("--corrupt",), lambda n: n["place"] == "corrupt"),
    (("-e", "away", "-e", "wrong"), lambda n: n["endpoint"] in ("away", "wrong")),
    (("--cause", "401"), lambda n: "401" in (n["cause"] or "")),
    (("--cause", "4xx", "--waiting"), lambda n: "HTTP 4" in (n["cause"] or "")
     and n["place"] == "waiting"),
    (("--cause", "NO ANSWER"), lambda n: n["cause"] == "no answer"),
    (("--monitor", "host-1"), lambda n: n["monitor_name"] == "host-1"),
    (("--older", "1h"), lambda n: n["place"] == "none"),
    (("--newer", "1h"), lambda n: True),
    (("--all",), lambda n: True),
    (("--stale",), lambda n: n["stale"]),
)


@pytest.mark.parametrize("options, wanted", SELECTIONS,
                         ids=[" ".join(s[0]) for s in SELECTIONS])
def test_selections(full, options, wanted):
    everything = listed(full)
    assert listed(full, *options) == [n for n in everything if wanted(n)]


def test_list_for_a_person(full):
    done = full.control("list")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].split()[:3] == ["NUMBER", "STATE", "ENDPOINT"]
    assert len(lines) == len(listed(full)) + 1
    assert "\x1b" not in done.stdout and "orphaned" in done.stdout
    ids = full.control("list", "--ids", "-e", "paused").stdout.split()
    assert ids == [n["id"] for n in listed(full, "-e", "paused")]


def test_list_in_columns(hooks):
    """Characters of several bytes shift nothing, and are not cut in two."""
    hooks.endpoint(url="http://127.0.0.1:1/").init()
    for name in ("plain", "Größe €€", "é" * 40):
        assert hooks.control("enqueue", "--status", "DOWN", "--monitor-name",
                             name).returncode == 0
    header, *rows = hooks.control("list").stdout.splitlines()
    assert [row[header.index("MONITOR"):header.index("CAUSE")].rstrip() for row in rows] == [
        "plain", "Größe €€", "é" * 28]
    assert {n["id"] for n in listed(hooks)} == {row[header.index(" ID") + 1:] for row in rows}


def test_list_names_whatever_lies_there(full):
    """What is no event and no file, what nobody can say the age of, what is no UTF-8."""
    (full.spool / "incoming" / "folder.evt").mkdir()
    (full.spool / "incoming" / "link.evt").symlink_to("/etc/passwd")
    pathlib.Path(os.fsdecode(os.fsencode(full.spool) + b"/incoming/no\xff.evt")).touch()
    strange = {n["file"]: n for n in listed(full) if n["place"] == "incoming"
               and n["id"] is None}
    assert set(strange) == {"folder.evt", "link.evt", "no\ufffd.evt"}
    assert all(n["cause"] for n in strange.values())
    rows = [n for n in full.control("list").stdout.splitlines() if ".evt" in n]
    assert len(rows) == 3
    for row in rows:
        assert row.split()[3] == ("0s" if "no\ufffd" in row else "-"), row


def test_list_while_events_go_out(hooks, receiver):
    """What has gone between the look at its folder and the look at it is no fault."""
    hooks.endpoint(receiver=receiver).init()
    hooks.control("pause", "main")
    hooks.start()
    hooks.generate(3000, batch=500)
    wait_for("they wait", lambda: hooks.endpoint_status().get("pending") == 3000)
    hooks.control("resume", "main")
    while hooks.waiting():
        assert [n for n in listed(hooks) if n["cause"]] == []


def test_list_ends_with_its_reader(full):
    """As `hookspool list | head`: no complaint."""
    done = subprocess.run(["bash", "-c", "set -o pipefail; \"$@\" | head -n 1; exit 0",
                           "-", str(programs.CONTROL), "-c", str(full.config), "list"],
                          capture_output=True, text=True, check=False, timeout=30,
                          env=programs.environment())
    assert done.stdout.count("\n") == 1


def test_empty_spool(hooks, receiver):
    hooks.endpoint(receiver=receiver).init()
    assert listed(hooks) == []
    for verb in (("retry", "--all"), ("drop", "--all", "--yes"), ("show", "1")):
        done = hooks.control(*verb)
        assert done.returncode == 1 and done.stderr.startswith(f"hookspool: {verb[0]}: ")
    hooks.start()
    assert hooks.control("retry", "--all").returncode == 1


def test_show(mortal, receiver):
    receiver.answer(status=422, body=b"no\x1b[2Jthanks")
    mortal.service()
    (name,) = wait_for("a letter", mortal.dead)
    event = name.rsplit(".", 1)[1]
    done = mortal.control("show", event)
    assert done.returncode == 0 and "\x1b" not in done.stdout
    for text in (event, "dead at main", "attempts", "422", "CRITICAL output", "web-01"):
        assert text in done.stdout, text
    assert mortal.control("show", "1").stdout == done.stdout
    told = json.loads(mortal.control("show", "--json", event).stdout)
    assert told["payload"] == receiver.requests[0].payload
    assert told["dead"]["last_status"] == 422 and told["details"]["host"] == "web-01"
    body = programs.run(programs.CONTROL, "-c", mortal.config, "show", "--body", event,
                        text=False)
    assert body.stdout == receiver.requests[0].raw
    unknown = mortal.control("show", "018d0e5c-0000-7000-8000-000000000001")
    assert unknown.returncode == 1 and "hookspool log --id" in unknown.stderr
    assert mortal.control("drop", "1").returncode == 0
    gone = mortal.control("show", "1")
    command = gone.stderr.partition("the journal: hookspool ")[2].strip()
    assert gone.returncode == 1 and command == "log --json | grep '\"sequence\":1,'"
    lines = mortal.control("log", "--json").stdout.splitlines()
    assert [json.loads(n)["what"] for n in lines if '"sequence":1,' in n] == ["dead", "removed"]


WRONG = (
    ("show",), ("show", "x"), ("retry",), ("drop",), ("move", "main"),
    ("list", "--older", "soon"), ("list", "--no"), ("retry", "--endpoint"), ("list", "17x"),
)


@pytest.mark.parametrize("args", WRONG, ids=map(" ".join, WRONG))
def test_wrong_use(mortal, args):
    done = mortal.control(*args)
    assert done.returncode == 64 and done.stderr.startswith("hookspool: "), done


def test_retry_one(mortal, receiver):
    ids = make_dead(mortal, receiver, 3)
    done = mortal.control("retry", ids[1])
    assert done.returncode == 0 and counted(done) == {"retried": 1}
    wait_for("it", lambda: receiver.accepted())
    mortal.wait_settled() if not mortal.dead() else None
    assert [r.id for r in receiver.accepted()] == [ids[1]] and len(mortal.dead()) == 2
    (line,) = mortal.journal("retried")
    assert line["id"] == ids[1] and line["endpoint"] == "main" and "uid" in line["reason"]
    mortal.wait_journal("delivered", id=ids[1])


def test_retry_of_10000_letters_while_the_daemon_runs(mortal, receiver):
    """Each once, each monitor's in order; new events of the same monitors come behind."""
    ids = make_dead(mortal, receiver, 10000, monitors=100)
    sent = len(receiver.requests)
    process = subprocess.Popen(
        [str(programs.CONTROL), "-c", str(mortal.config), "retry", "--all", "--stale"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=programs.environment())
    ids += mortal.generate(500, monitors=100, first=100, batch=10)
    out, errors = process.communicate(timeout=120)
    assert not errors, errors
    again = 0
    while mortal.dead() and again < 20: # those that were left alone at that moment
        again += 1
        mortal.control("retry", "--all", "--stale", timeout=120)
    wait_for("all of it", lambda: len(receiver.accepted()) == len(ids), timeout=60)
    check_exactly(receiver.snapshot()[sent:], ids)
    assert re.fullmatch(r"retried \d+(; .*)?\n", out), out


def test_retry_keeps_the_order_of_each_monitor(mortal, receiver):
    ids = make_dead(mortal, receiver, 3000, monitors=7)
    sent = len(receiver.requests)
    done = mortal.control("retry", "--endpoint", "main", timeout=120)
    assert counted(done) == {"retried": 3000} and done.returncode == 0
    wait_for("all of it", lambda: len(receiver.accepted()) == 3000, timeout=60)
    requests = receiver.snapshot()[sent:]
    check_exactly(requests, ids)
    check_numbers(requests)


def test_stale_letters_are_left_alone(mortal, receiver):
    """A letter older than what was delivered of its monitor would undo it."""
    receiver.answer(status=422, monitor="web-01/API", times=1)
    mortal.service("CRITICAL")
    mortal.service("CRITICAL", host="web-02")
    wait_for("one is dead", mortal.dead)
    mortal.service("OK")
    mortal.wait_settled() if not mortal.waiting() else wait_for(
        "the rest", lambda: len(receiver.accepted()) == 2)
    wait_for("it is known", lambda: listed(mortal, "--stale"))
    done = mortal.control("retry", "--all")
    assert done.returncode == 1 and counted(done) == {"retried": 0, "stale": 1}
    # Over a kill of the daemon, too.
    mortal.daemon.kill()
    (line,) = listed(mortal, "--stale")
    assert line["stale"] and line["place"] == "dead"
    mortal.start()
    assert counted(mortal.control("retry", "--all"))["stale"] == 1
    done = mortal.control("retry", "--all", "--stale")
    assert done.returncode == 0 and counted(done) == {"retried": 1}
    wait_for("it", lambda: len(receiver.accepted()) == 3)
    assert [r.kind for r in receiver.of("web-01/API")][-1] == "incident"


def test_a_live_newer_one_waits_behind(hooks, receiver):
    """The letter goes first where the newer event still waits, attempts and all."""
    hooks.endpoint(receiver=receiver, retries=0, outage="count").init()
    hooks.start()
    first = make_dead(hooks, receiver, 1, monitors=1)
    hooks.daemon.stop()
    hooks.endpoint(receiver=receiver, retries=20, outage="count", backoff="1h",
                   backoff_max="1h").write()
    hooks.start()
    receiver.answer(status=500)
    second = hooks.generate(2, monitors=1, first=1)
    wait_for("a try", lambda: hooks.journal("failed", id=second[0]))
    receiver.forget_rules()
    assert counted(hooks.control("retry", *first)) == {"retried": 1}
    # It is delivered now; behind it the newer ones go, due anew.
    wait_for("all three", lambda: len(receiver.accepted()) == 3)
    assert [r.id for r in receiver.accepted()] == first + second


def test_retry_of_waiting_events_sends_them_now(hooks, receiver):
    hooks.endpoint(receiver=receiver, retries=9, backoff="1h", backoff_max="1h",
                   outage="count").init()
    hooks.start()
    receiver.answer(status=500, times=1)
    (event,) = hooks.generate(1)
    wait_for("a try", lambda: hooks.journal("failed"))
    assert counted(hooks.control("retry", event)) == {"retried": 1}
    wait_for("it", lambda: receiver.accepted())


@pytest.mark.parametrize("verb", [("retry", "-e", "main"), ("move", "main", "other")],
                         ids=["retry", "move"])
def test_no_more_than_the_queue_takes(hooks, receiver, verb):
    """What the queue has no room for stays where it is, and nothing overtakes it."""
    for name in ("main", "other"):
        hooks.endpoint(name, receiver=receiver, max_queued=80, **MORTAL)
    hooks.init()
    hooks.start()
    receiver.answer(status=422)
    hooks.generate(200, monitors=10, batch=200)
    wait_for("letters", lambda: len(hooks.dead()) == len(hooks.dead("other")) == 200)
    for name in ("main", "other"):
        hooks.control("pause", name)
    before = hooks.journal("dead")
    done = hooks.control(*verb)
    assert done.returncode == 1 and "the queue is full (max_queued)" in done.stdout, done
    assert counted(done)[{"retry": "retried", "move": "moved"}[verb[0]]] == 80, done
    assert len(hooks.dead()) == 120 and len(hooks.dead("other")) == 200
    assert hooks.journal("dead") == before


@pytest.mark.parametrize("served", [True, False], ids=["daemon", "none"])
def test_drop(mortal, receiver, served):
    ids = make_dead(mortal, receiver, 40, monitors=4)
    if not served:
        mortal.daemon.stop()
    refused = mortal.control("drop", "--dead")
    assert refused.returncode == 2 and "--yes" in refused.stderr and "40" in refused.stderr
    assert mortal.control("drop", "--dead", "--dry-run").stdout.count("\n") == 40
    assert len(mortal.dead()) == 40
    assert counted(mortal.control("drop", ids[0])) == {"dropped": 1}
    done = mortal.control("drop", "--dead", "--monitor", "host-1", "--yes")
    assert counted(done) == {"dropped": 10} and done.returncode == 0
    assert len(mortal.dead()) == 29
    removed = mortal.journal("removed")
    assert len(removed) == 11 and all("uid" in line["reason"] for line in removed)
    assert counted(mortal.control("drop", "--all", "--yes")) == {"dropped": 29}
    assert not mortal.dead() and mortal.control("drop", "--all", "--yes").returncode == 1
    if served:
        wait_for("none is counted", lambda: mortal.endpoint_status()["dead"] == 0)


def test_drop_of_waiting_events(hooks, receiver):
    """The rest of the monitor's line goes on without it; what is under way stays."""
    hooks.endpoint(receiver=receiver).init()
    hooks.control("pause", "main")
    hooks.start()
    ids = hooks.generate(9, monitors=3, batch=3)
    wait_for("they wait", lambda: hooks.endpoint_status().get("pending") == 9)
    done = hooks.control("drop", ids[0], ids[4], ids[8], "--yes")
    assert counted(done) == {"dropped": 3}
    for n in (0, 4, 8):
        (line,) = hooks.journal("removed", id=ids[n])
        assert line["monitor"] and line["kind"] and "by uid" in line["reason"], line
    hooks.control("resume", "main")
    hooks.wait_settled()
    check_exactly(receiver.accepted(), [i for n, i in enumerate(ids) if n not in (0, 4, 8)])
    receiver.answer(mode="silent")
    (event,) = hooks.generate(1)
    wait_for("it is under way", lambda: hooks.endpoint_status().get("in_flight") == 1)
    done = hooks.control("drop", event)
    assert done.returncode == 1 and counted(done) == {"dropped": 0, "left": 1}


@pytest.mark.parametrize("served", [True, False], ids=["daemon", "none"])
def test_move_of_an_orphan_s_events(hooks, make_receiver, served):
    """A renamed endpoint: what waited and died under the old name goes out under the
    new one, in order."""
    old, new = make_receiver(), make_receiver()
    hooks.endpoint("old", receiver=old, **MORTAL).init()
    hooks.start()
    old.answer(status=422)
    dead = hooks.generate(10, monitors=5, batch=5)
    wait_for("letters", lambda: len(hooks.dead("old")) == 10)
    hooks.control("pause", "old")
    waiting = hooks.generate(10, monitors=5, first=2, batch=5)
    wait_for("they wait", lambda: hooks.endpoint_status("old").get("pending") == 10)
    hooks.daemon.stop()
    del hooks.endpoints["old"]
    hooks.endpoint("new", receiver=new).write()
    if served:
        hooks.start()
    refused = hooks.control("retry", "--endpoint", "old")
    assert refused.returncode == 1 and "no such endpoint" in refused.stderr
    done = hooks.control("move", "old", "new", "--dead", "--all", "--cause", "422")
    assert counted(done) == {"moved": 10}, done
    done = hooks.control("move", "old", "new", "--waiting")
    assert counted(done) == {"moved": 10}, done
    assert not hooks.files("queue/old", "dead/old")
    if not served:
        hooks.start()
    hooks.wait_settled()
    check_exactly(new.accepted(), dead + waiting)
    check_numbers(new.snapshot())
    assert {line["id"] for line in hooks.journal("moved")} == {*dead, *waiting}


def test_moved_events_that_are_overtaken_are_stale(hooks, make_receiver):
    old, new = make_receiver(), make_receiver()
    hooks.endpoint("old", receiver=old).init()
    hooks.control("pause", "old")
    hooks.start()
    (first,) = hooks.generate(1)
    wait_for("it waits", lambda: hooks.endpoint_status("old").get("pending") == 1)
    hooks.daemon.stop()
    del hooks.endpoints["old"]
    hooks.endpoint("new", receiver=new).write()
    hooks.start()
    hooks.generate(1, first=1)
    # It is under way until the daemon has the answer and has written it down.
    wait_for("the newer one", lambda: hooks.endpoint_status("new").get("sent") == 1
             and hooks.endpoint_status("new")["in_flight"] == 0)
    done = hooks.control("move", "old", "new")
    assert done.returncode == 1 and counted(done) == {"moved": 0, "stale": 1}
    assert len(hooks.files("queue/old")) == 1
    assert counted(hooks.control("move", "old", "new", "--stale")) == {"moved": 1}
    wait_for("it", lambda: new.accepted()[-1].id == first)


def test_a_letter_that_cannot_be_read(mortal, receiver):
    make_dead(mortal, receiver, 3)
    path = mortal.spool / mortal.dead()[1]
    path.write_bytes(path.read_bytes()[:-5])
    assert [n["cause"] for n in listed(mortal, "--dead")].count("attempts: HTTP 422") == 2
    done = mortal.control("retry", "--all")
    assert done.returncode == 1 and counted(done) == {"retried": 2, "could": 1}
    assert len(mortal.files("corrupt")) == 1 and not mortal.dead()
    wait_for("the others", lambda: len(receiver.accepted()) == 2)


def test_the_endpoint_may_be_away(mortal, receiver):
    """Letters that come back wait like anything else, and are not dead again by age."""
    make_dead(mortal, receiver, 5)
    receiver.down()
    mortal.endpoint(receiver=receiver, retries=5).write()
    mortal.daemon.reload()
    mortal.daemon.wait_log("configuration reloaded")
    assert counted(mortal.control("retry", "--all"))["retried"] == 5
    mortal.wait_state("backoff")
    mortal.daemon.kill()
    assert len(mortal.files("queue")) == 5
    mortal.start()
    receiver.up()
    wait_for("all of it", lambda: len(receiver.accepted()) == 5)


def test_without_a_daemon_nothing_of_root_s_is_left_behind(hooks, receiver):
    if os.geteuid() != 0:
        pytest.fail("needs root")
    hooks.endpoint(receiver=receiver, **MORTAL)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    become = lambda: (os.setgroups([]), os.setgid(GROUP), os.setuid(DAEMON))
    hooks.start(preexec=become)
    make_dead(hooks, receiver, 4)
    hooks.daemon.stop()
    for args in (("retry", "1"), ("drop", "2"), ("pause", "main"), ("resume", "main")):
        assert hooks.control(*args).returncode == 0
    for where, folders, names in os.walk(hooks.spool):
        for name in folders + names:
            assert os.stat(os.path.join(where, name)).st_uid == DAEMON, name
    hooks.start(preexec=become)
    wait_for("it", lambda: len(receiver.accepted()) == 1)


@pytest.mark.parametrize("served", [True, False], ids=["daemon", "none"])
@pytest.mark.parametrize("who", [MEMBER, STRANGER], ids=["member", "stranger"])
def test_who_may(hooks, receiver, who, served):
    """A member sees incoming/ and the status, and changes nothing; a stranger sees and
    does nothing."""
    hooks.endpoint(receiver=receiver, **MORTAL)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    os.chmod(hooks.config, 0o644)
    become = lambda: (os.setgroups([]), os.setgid(GROUP), os.setuid(DAEMON))
    hooks.start(preexec=become)
    make_dead(hooks, receiver, 3)
    if not served:
        hooks.daemon.stop()
    before = hooks.files("dead", "queue", "state", "incoming")
    for args in (("list",), ("list", "--dead"), ("show", "1"), ("retry", "1"),
                 ("retry", "--all"), ("drop", "--all", "--yes"), ("move", "main", "x", "--dead"),
                 ("pause", "main"), ("resume", "main"), ("reload",)):
        done = hooks.control(*args, **who)
        assert done.returncode in (1, 2, 78) and done.stderr, (args, done)
        assert "422" not in done.stdout and "no event matches" not in done.stderr
    assert hooks.files("dead", "queue", "state", "incoming") == before
    if not served:
        hooks.generate(1)
    incoming = hooks.control("list", "--incoming", **who)
    status = hooks.control("status", **who)
    if who is MEMBER:
        assert incoming.returncode == (1 if served else 0), incoming
        assert "main" in status.stdout and status.returncode == (0 if served else 1)
    else:
        assert incoming.returncode == 2 and "ermission denied" in incoming.stderr
        assert status.returncode == 2 and "main" not in status.stdout


def test_wrong_configuration(full):
    """What only looks works; what changes is refused with the file and the line."""
    full.write(full.text() + 'endpoint "x" { nonsense = 1 }\n')
    assert full.control("list").returncode == 0
    assert full.control("status").returncode == 1
    done = full.control("retry", "--all")
    assert done.returncode == 78 and re.search(r"hookspool.conf:\d+", done.stderr), done


@pytest.mark.parametrize("verb", [("status",), ("list",), ("retry", "--all"), ("init",),
                                  ("pause", "main")], ids=lambda verb: verb[0])
def test_a_named_configuration_has_to_be_there(hooks, verb):
    """The default spool is not the one that was meant."""
    missing = hooks.folder / "hoockspool.conf"
    for named in (("-c", missing), ()):
        done = programs.run(programs.CONTROL, *named, *verb,
                            env={"HOOKSPOOL_CONFIG": str(missing)})
        assert done.returncode == 2 and not done.stdout, done
        assert done.stderr == (f"hookspool: {verb[0]}: open {missing}: "
                               "No such file or directory\n"), done


def test_progress_on_a_terminal(mortal, receiver):
    """A bar, wiped at the end; none in a pipe."""
    make_dead(mortal, receiver, 3000, monitors=50)
    mortal.daemon.signal(signal.SIGSTOP) # long enough for a bar to be drawn
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(programs.CONTROL), "-c", str(mortal.config), "retry", "--all"],
        stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=programs.environment())
    os.close(slave)
    time.sleep(0.7)
    mortal.daemon.signal(signal.SIGCONT)
    shown = b""
    while select.select([master], [], [], 30)[0]:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        shown += piece
        if not piece:
            break
    assert process.wait(30) == 0 and b"retried 3000" in process.stdout.read()
    assert re.search(rb"retry \[#*\.*\] \d+ of 3000", shown) and shown.endswith(b"\x1b[K")


def test_drop_asks_on_a_terminal(mortal, receiver):
    make_dead(mortal, receiver, 3)
    for answer, left in ((b"n\n", 3), (b"y\n", 0)):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [str(programs.CONTROL), "-c", str(mortal.config), "drop", "--all"],
            stdin=slave, stdout=subprocess.DEVNULL, stderr=slave,
            env=programs.environment())
        os.write(master, answer)
        assert process.wait(30) == (1 if left else 0)
        os.close(slave)
        assert b"Drop 3 events" in os.read(master, 4096)
        os.close(master)
        assert len(mortal.dead()) == left


@pytest.mark.parametrize("left", [False, True], ids=["none", "left by a crash"])
def test_waits_for_whoever_has_the_lock(mortal, receiver, left):
    """hookspoold that does not listen yet, or another hookspool at work."""
    make_dead(mortal, receiver, 10)
    mortal.daemon.stop()
    if left:
        with socket.socket(socket.AF_UNIX) as crashed:
            crashed.bind(str(mortal.spool / "control.sock"))
    with FakeDaemon(mortal.spool, answers=False):
        waits = subprocess.Popen(
            [programs.CONTROL, "-c", mortal.config, "retry", "--all"], text=True,
            env=programs.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        assert waits.poll() is None, waits.communicate()
    told = waits.communicate(timeout=30)
    assert waits.returncode == 0 and told == ("retried 10\n", ""), told


def test_control_socket_in_many_pieces(mortal):
    """Requests cut anywhere, several at once, answered in their order, with one that is
    answered later in between."""
    path = str(mortal.spool / "control.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.settimeout(10)
        text = (b'{"verb":"status"}\n{"verb":"drop","endpoint":"main","waiting":["x"]}\n'
                b'nonsense\n{"verb":"retry","endpoint":"nobody"}\n{"verb":"status"}\n')
        for at in range(0, len(text), 7):
            client.sendall(text[at:at + 7])
        answers = b""
        while answers.count(b"\n") < 5:
            answers += client.recv(65536)
    told = [json.loads(line) for line in answers.splitlines()]
    assert told[0]["status"] and told[4]["status"]
    assert told[1]["events"] == {"done": 0, "stale": 0, "busy": 0, "waiting": 0,
                                 "missing": 1, "corrupt": 0, "full": 0}
    assert "unknown verb" in told[2]["error"] and "nobody" in told[3]["error"]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        names = ",".join('"x"' for _ in range(300))
        client.sendall(b'{"verb":"drop","endpoint":"main","dead":[%s]}\n' % names.encode())
        assert b"more than 256" in client.recv(65536)


@pytest.mark.parametrize("verb", [("list", "-e", "typo"), ("retry", "-e", "typo"),
                                  ("drop", "-e", "typo", "--yes"),
                                  ("move", "typo", "main"), ("list", "-e", "../x")])
def test_an_endpoint_that_nobody_knows(main, verb):
    done = main.control(*verb)
    assert done.returncode not in (0, 1) and "no endpoint '" in done.stderr, done
    known = main.control("list", "-e", "main")
    assert (known.returncode, known.stderr) == (1, ""), known
