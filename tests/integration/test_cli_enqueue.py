# SPDX-License-Identifier: MIT
"""hookspool enqueue: what exits with 0 is delivered, from options, from JSON, by many at
once and by thousands; what is wrong is named and costs nothing else."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

import corpus
import programs
from spool import wait_for

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def enqueue(hooks, *args, lines=None, timeout=60, **options):
    """Run it, with these objects (or texts) as lines of standard input."""
    if lines is not None:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n"
                       for line in lines)
        options.update(stdin=None, input=text)
    return hooks.control("enqueue", *args, timeout=timeout, **options)


def alert(name, status="DOWN", **result):
    return {"monitor": {"name": name, "status": status}, "check_result": result}


def bodies(receiver):
    return {r.id: r.payload for r in receiver.snapshot()}


def test_every_option_arrives(main, receiver):
    done = enqueue(
        main, "--status", "down", "--monitor-name", "Größe \x07", "--monitor-id", "mon_1",
        "--url", "https://e.example/ä?b=c", "--region", "eu", "--message", "it\nbroke",
        "--response-time-ms", "31.7", "--status-code", "503", "--failures", "4",
        "--level", "2", "--previous", "UP", "--time", "2024-01-15T11:30:15+01:00",
        "--host", "h", "--service", "s", "--system", "mine", "--fold", "k",
        "--endpoint", "main", "--detail", "rack=1=2", "--detail", "b=")
    assert done.returncode == 0 and done.stderr == "", done
    assert UUID.fullmatch(done.stdout.strip())
    wait_for("the request", receiver.snapshot)
    (request,) = receiver.snapshot()
    assert request.id == done.stdout.strip()
    assert request.payload == {
        "event_type": "monitor_alert",
        "monitor": {"id": "mon_1", "name": "Größe \x07", "url": "https://e.example/ä?b=c",
                    "status": "DOWN"},
        "check_result": {"status": "DOWN", "timestamp": "2024-01-15T10:30:15Z",
                         "region": "eu", "error_message": "it\nbroke",
                         "response_time_ms": 31, "status_code": 503},
        "context": {"consecutive_failures": 4, "previous_status": "UP",
                    "notification_level": 2, "notification_type": "incident"}}


def test_recovery(main, receiver):
    """The end of an incident needs no more than its beginning, and has its monitor's id.
    """
    for status in ("DOWN", "UP"):
        done = enqueue(main, "-q", "--status", status, "--monitor-name", "A",
                       "--message", "as it is")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wait_for("both", lambda: len(receiver.snapshot()) == 2)
    down, up = (r.payload for r in receiver.snapshot())
    assert down["monitor"]["id"] == up["monitor"]["id"]
    assert up["context"] == {"consecutive_failures": 0, "previous_status": "DOWN",
                             "notification_level": 1, "notification_type": "recovery"}
    assert "error_message" not in up["check_result"]


def test_monitors_without_a_host_are_not_one(hooks):
    hooks.init()
    ids = {json.loads(enqueue(hooks, "--dry-run", "--status", "DOWN", "--monitor-name",
                              name).stdout.splitlines()[2])["monitor"]["id"]
           for name in ("A", "B")}
    assert len(ids) == 2


@pytest.mark.parametrize("form", ["lines", "pretty", "dash"])
def test_json(main, receiver, form):
    """The payload as it was sent is taken again and comes out the same."""
    payloads = []
    for i in range(5):
        status = "DOWN" if i % 2 == 0 else "UP"
        done = enqueue(main, "--dry-run", "--status", status, "--monitor-name", f"m{i}",
                       "--message", "x")
        payloads.append(json.loads(done.stdout.splitlines()[2]))
    lines = [json.dumps(p, indent=2 if form == "pretty" else None) for p in payloads]
    done = enqueue(main, "-" if form == "dash" else "--json", lines=lines)
    assert done.returncode == 0 and done.stderr == "", done
    ids = done.stdout.split()
    wait_for("all", lambda: len(receiver.snapshot()) == 5)
    assert [bodies(receiver)[i] for i in ids] == payloads


def test_keys_beside(main, receiver):
    """Details, endpoints and the like go into the spool; options are defaults."""
    event = "018d0e5c-0000-7000-8000-00000000000a"
    line = {**alert("A"), "id": event, "host": "h", "fold": "k", "endpoints": ["main"],
            "details": {"rack": 12}}
    done = enqueue(main, "--json", "--dry-run", "--system", "mine", "--service", "s",
                   lines=[line])
    details = json.loads(done.stdout.splitlines()[3])
    assert details == {"system": "mine", "site": "", "host": "h", "service": "s",
                       "fold": "k", "endpoints": "main", "details": {"rack": "12"}}
    for _ in range(2):  # the same id: once
        assert enqueue(main, "--json", lines=[line]).stdout == event + "\n"
    main.wait_journal("folded", id=event)
    main.wait_journal("delivered", id=event)  # which may be written behind the other
    assert [r.id for r in receiver.snapshot()] == [event]


GOOD = ("--status", "DOWN", "--monitor-name", "A")
WRONG = {
    "nothing": ((), "status: UP or DOWN is needed"),
    "no name": (("--status", "DOWN"), "a name or a host is needed"),
    "status": (("--status", "WARNING", "--host", "h"), "--status: 'WARNING' is not UP"),
    "type": ((*GOOD, "--type", "problem"), "--type: 'problem' is not incident, recov"),
    "both": ((*GOOD, "--type", "recovery"), "recovery goes with the status UP only"),
    "code": ((*GOOD, "--status-code", "1000"), "a whole number from 0 to 999"),
    "time": ((*GOOD, "--time", "tomorrow"), "--time: 'tomorrow' is not a time like"),
    "level": ((*GOOD, "--level", "0"), "--level: '0' is not a whole number from 1"),
    "detail": ((*GOOD, "--detail", "rack"), "--detail: 'rack' is not KEY=VALUE"),
    "endpoint": ((*GOOD, "--endpoint", "a b"), "--endpoint: 'a b' is not a list of"),
    "id": ((*GOOD, "--id", "7"), "--id: '7' is not a UUIDv7"),
    "id of many": (("--json", "--id", "7"), "--id: with --json each object has its own"),
    "operand": ((*GOOD, "DOWN"), "'DOWN': the only operand is -"),
    "operands": ((*GOOD, "-", "-"), "wrong number of operands"),
    "option": ((*GOOD, "--mesage", "x"), "unknown option '--mesage'"),
    "host": ((*GOOD, "--host", "h" * 5000), "--host: 5000 bytes, 4096 are allowed"),
    "name": (("--status", "DOWN", "--monitor-name", "n" * 110_000),
             "102399 are allowed"),
    "control": ((*GOOD, "--time", "\x1b[31m"), "--time: '?[31m' is not"),
}


@pytest.mark.parametrize("args, why", WRONG.values(), ids=WRONG)
def test_wrong_options(hooks, args, why):
    done = enqueue(hooks.init(), *args)
    assert done.returncode == 64 and done.stdout == "", done
    assert why in done.stderr and done.stderr.startswith("hookspool: enqueue: "), done
    assert hooks.files("incoming", "tmp") == []


LINES = {
    1: ({"monitor": {"name": "A", "status": "BAD"}}, "monitor.status: 'BAD' is not UP"),
    2: ({"monitor": {"nam": "A"}}, "key 'nam' is not known; there are name, id, url"),
    3: ("{\"monitor\":{", "parse JSON"),
    5: ("[1]", "an object, {…}, is expected; jq -c '.[]'"),
    6: ("nonsense", "an object, {…}, is expected"),
    7: ({"check_result": {"status": "DOWN"}}, "a name or a host is needed"),
    8: ({"monitor": {"name": "n" * 110_000, "status": "UP"}}, "102399 are allowed"),
    9: ({**alert("A"), "endpoints": "a/b"}, "endpoints: 'a/b' is not a list"),
    10: ({**alert("A"), "context": {"notification_type": "recovery"}}, "status UP only"),
    12: (alert("A", timestamp="now"), "check_result.timestamp: 'now' is not a time"),
}


def test_bad_lines_cost_only_themselves(main, receiver):
    lines = [LINES[n][0] if n in LINES else alert(f"good {n}") for n in range(1, 14)]
    done = enqueue(main, "--json", lines=lines)
    assert done.returncode == 1
    complaints = done.stderr.splitlines()
    assert len(complaints) == len(LINES), complaints
    for (number, (_, why)), complaint in zip(LINES.items(), complaints):
        assert complaint.startswith(f"hookspool: enqueue: line {number}: "), complaint
        assert why in complaint
    ids = done.stdout.split()
    wait_for("the good ones", lambda: len(receiver.snapshot()) >= 3)
    main.wait_settled()
    names = [bodies(receiver)[i]["monitor"]["name"] for i in ids]
    assert names == ["good 4", "good 11", "good 13"]
    assert main.files("corrupt") == []


@pytest.mark.parametrize("lines, status", [([], 1), (["", "  "], 1), (["x"], 2),
                                           (["{}", alert("A")], 1)],
                         ids=["none", "blank", "bad", "in part"])
def test_exit_status_of_lines(hooks, lines, status):
    done = enqueue(hooks.init(), "--json", lines=lines)
    assert done.returncode == status and done.stderr != ""
    assert len(hooks.files("incoming")) == (1 if alert("A") in lines else 0)


@pytest.mark.parametrize("stdin", ["closed", "folder"])
def test_standard_input_that_cannot_be_read(hooks, stdin):
    hooks.init()
    options = {}
    if stdin == "folder":
        options["stdin"] = os.open(hooks.folder, os.O_RDONLY)
    else:
        options.update(stdin=None, preexec_fn=lambda: os.close(0))
    done = hooks.control("enqueue", "--json", **options)
    # A closed one is as empty as /dev/null.
    assert done.returncode == (2 if stdin == "folder" else 1), done
    assert ("read standard input" if stdin == "folder" else "no event") in done.stderr


def test_ten_thousand_lines(main, receiver):
    """In one go: few files, the order of each monitor, every event once."""
    lines = [alert(f"m{i % 50}", "DOWN" if i // 50 % 2 == 0 else "UP",
                   response_time_ms=i) for i in range(10_000)]
    began = time.monotonic()
    done = enqueue(main, "--json", lines=lines, timeout=120)
    took = time.monotonic() - began
    assert done.returncode == 0 and done.stderr == "", (done.returncode, done.stderr[:500])
    ids = done.stdout.split()
    assert len(set(ids)) == 10_000
    wait_for("all", lambda: len(receiver.snapshot()) >= 10_000, timeout=120, pause=0.1)
    main.wait_settled(timeout=120)
    requests = receiver.snapshot()
    assert sorted(r.id for r in requests) == sorted(ids)
    for n in range(50):
        numbers = [r.number for r in requests if r.monitor == f"m{n}"]
        assert numbers == sorted(numbers)
    print(f"10,000 lines: {took:.2f} s")


def test_batches_share_files(hooks):
    """Lines that are there are put together, not one by one."""
    hooks.init()
    done = enqueue(hooks, "--json", lines=[alert(f"m{i}") for i in range(3000)])
    assert done.returncode == 0 and len(done.stdout.split()) == 3000
    assert len(hooks.files("incoming")) <= 100


def test_open_pipe(hooks):
    """A monitor that keeps its pipe open: each event is durable at once."""
    hooks.init()
    process = subprocess.Popen(
        [programs.CONTROL, "-c", hooks.config, "enqueue", "--json"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=programs.environment())
    try:
        for count in (1, 2, 3):
            print(json.dumps(alert("A")), file=process.stdin, flush=True)
            assert UUID.fullmatch(process.stdout.readline().strip())
            assert len(hooks.files("incoming")) == count
        process.stdin.write(json.dumps(alert("A")))  # without a newline, then the end
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert len(hooks.files("incoming")) == 4


def test_nasty_texts_are_never_corrupt(main, receiver):
    """Whatever bytes come as arguments or as lines, hookspoold accepts what is made."""
    texts = [t for t in corpus.PIECES if b"\0" not in t and 0 < len(t) < 50_000][:60]
    count = 0
    for text in texts:
        done = main.control("enqueue", "--status", "DOWN", "--host", b"h" + text[:900],
                            "--message", text, b"--detail", b"k" + text[:99] + b"=" + text,
                            text=False)
        assert done.returncode == 0, (text, done)
        count += 1
    raw = b"".join(b'{"monitor":{"name":"n%s","status":"DOWN"},"fold":"%d %s"}\n'
                   % (t, i, t) for i, t in enumerate(texts)
                   if not any(c < 0x20 or c in b'"\\' for c in t))
    done = main.control("enqueue", "--json", stdin=None, input=raw, text=False)
    assert done.returncode == 0, done
    count += len(done.stdout.split())
    wait_for("all", lambda: len(receiver.snapshot()) >= count)
    main.wait_settled()
    assert len(receiver.snapshot()) == count and main.files("corrupt") == []


def test_many_at_once(main, receiver):
    """Processes at once: each id comes once, with its own event."""
    running = [subprocess.Popen(
        [programs.CONTROL, "-c", main.config, "enqueue", "--status", "DOWN",
         "--monitor-name", f"m{i}"], text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, env=programs.environment()) for i in range(40)]
    ids = {process.communicate(timeout=60)[0].strip(): f"m{i}"
           for i, process in enumerate(running)}
    assert [p.returncode for p in running] == [0] * 40 and len(ids) == 40
    wait_for("all", lambda: len(receiver.snapshot()) >= 40)
    main.wait_settled()
    assert {r.id: r.monitor for r in receiver.snapshot()} == ids


def test_order_of_single_events(main, receiver):
    for i in range(30):
        status = "DOWN" if i % 2 == 0 else "UP"
        assert enqueue(main, "--status", status, "--monitor-name", "A", "--message", str(i),
                       "--response-time-ms", i).returncode == 0
    wait_for("all", lambda: len(receiver.snapshot()) >= 30)
    assert [r.number for r in receiver.snapshot()] == list(range(30))


def test_no_spool(hooks):
    hooks.write()
    done = enqueue(hooks, *GOOD)
    assert done.returncode == 2 and "hookspool init" in done.stderr, done
    done = enqueue(hooks, "--json", lines=[alert("A"), alert("B")])
    assert done.returncode == 2 and "lines 1 to 2, 2 events: " in done.stderr, done


def test_configuration(hooks, folder):
    """A wrong key costs a warning; a spool that is not there is an error."""
    hooks.init()
    hooks.write(hooks.text() + "warning_is = maybe\n")
    done = enqueue(hooks, *GOOD)
    assert done.returncode == 0 and "warning: " in done.stderr, done
    hooks.top["spool_dir"] = folder / "elsewhere"
    hooks.write()
    done = enqueue(hooks, *GOOD)
    assert done.returncode == 2 and "elsewhere" in done.stderr and not done.stdout, done


def test_no_space(hooks):
    hooks.init()
    hooks.top["min_free"] = "100000G"
    hooks.write()
    for done in (enqueue(hooks, *GOOD), enqueue(hooks, "--json", lines=[alert("A")])):
        assert done.returncode == 2 and "are free" in done.stderr, done
    assert hooks.files("incoming", "tmp") == []


def test_ids_that_cannot_be_printed(hooks):
    """The events are durable all the same, and it says so."""
    hooks.init()
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([programs.CONTROL, "-c", hooks.config, "enqueue", *GOOD],
                              stdin=subprocess.DEVNULL, stdout=full, text=True,
                              stderr=subprocess.PIPE, env=programs.environment(),
                              timeout=30, check=False)
    assert done.returncode == 1 and "durable" in done.stderr
    assert len(hooks.files("incoming")) == 1
    done = subprocess.run(["sh", "-c", '"$0" "$@" >&-', programs.CONTROL, "-c",
                           hooks.config, "enqueue", *GOOD], stdin=subprocess.DEVNULL,
                          env=programs.environment(), timeout=30, check=False)
    assert len(hooks.files("incoming")) == 2
    for name in hooks.files("incoming"):
        assert (hooks.spool / name).read_text(encoding="utf-8").startswith("hookspool 1\n")


@pytest.mark.root("becomes another user")
def test_members_and_strangers(hooks, folder):
    """A member of the group may, whoever is no member may not."""
    hooks.init("--user", "daemon", "--group", "mail")
    hooks.config.chmod(0o644)
    assert shutil.which("setpriv")

    def as_user(*groups):
        return programs.run("setpriv", "--reuid=nobody", "--regid=nogroup", *groups,
                            programs.CONTROL, "-c", hooks.config, "enqueue", *GOOD)
    assert as_user("--groups", "mail").returncode == 0
    stranger = as_user("--clear-groups")
    assert stranger.returncode == 2 and "Permission denied" in stranger.stderr, stranger
    assert len(hooks.files("incoming")) == 1
