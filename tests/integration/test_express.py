# SPDX-License-Identifier: MIT
"""The documented Express receiver answers 200 to whatever an output may hold."""

import pytest

import corpus
from documented import NodeReceiver
from receiver import canonical, load_validator
from spool import wait_for

CAP = 102_399


@pytest.fixture
def express(node_modules, hooks):
    receiver = NodeReceiver(node_modules, "express.js", hooks.secret)
    yield receiver
    receiver.close()


def check_message(body, message):
    """The text arrived as a JavaScript decoder reads it, cut only where it must be."""
    expected, got = corpus.decoded(message), body["check_result"]["error_message"]
    size = len(canonical(body))
    assert size <= CAP
    if got != expected:
        assert got.endswith("…") and expected.startswith(got[:-1])
        assert size > CAP - 16, f"cut too early, at {size}"


def check_name(body, event):
    host, service = event["host"], event.get("service")
    name = event.get("name", host + b"/" + service if service else host)
    assert body["monitor"]["name"] == corpus.decoded(name)


def test_corpus(hooks, express):
    events = corpus.events()
    assert len(events) >= 2000
    hooks.endpoint(url=express.url()).init().start()
    ids = hooks.put(*events, batch=100)
    wait_for("every event at the receiver", lambda: len(express.requests) >= len(ids),
             timeout=120)
    hooks.wait_settled()

    assert [r for r in express.requests if r["status"] != 200] == []
    bodies = {r["id"]: r["body"] for r in express.requests}
    assert len(express.requests) == len(ids) and set(bodies) == set(ids)
    validator = load_validator()
    for event_id, event in zip(ids, events):
        body = bodies[event_id]
        assert not list(validator.iter_errors(body)), body
        check_message(body, event["message"])
        check_name(body, event)
    assert hooks.dead() == [] and hooks.files("corrupt") == []


def test_outputs_of_plugins(hooks, express):
    """The same through hookspool-notify, whose arguments hold everything but NUL."""
    outputs = [p * 3 for p in corpus.PIECES if b"\0" not in p]
    outputs += [f * (130_900 // len(f)) for f in corpus.FILLERS]
    hooks.endpoint(url=express.url()).init().start()
    for number, output in enumerate(outputs):
        hooks.notify("service", "NOTIFICATIONTYPE=PROBLEM", f"HOSTNAME=host-{number}",
                     "SERVICEDESC=API", "SERVICESTATE=CRITICAL",
                     b"SERVICEOUTPUT=" + output)
    wait_for("every event at the receiver", lambda: len(express.requests) >= len(outputs))
    hooks.wait_settled()
    assert [r for r in express.requests if r["status"] != 200] == []
    bodies = {r["body"]["monitor"]["name"]: r["body"] for r in express.requests}
    for number, output in enumerate(outputs):
        text = bodies[f"host-{number}/API"]["check_result"]["error_message"]
        expected = corpus.decoded(output).strip("\t\n\r ")
        assert text == expected or text.endswith("…") and expected.startswith(text[:-1])


@pytest.mark.parametrize("cap", ["2K", "1M"])
def test_other_caps(hooks, receiver, cap):
    """max_payload holds, and up to the documented megabyte."""
    size = {"2K": 2048, "1M": 1024 * 1024}[cap]
    hooks.top["max_payload"] = cap
    hooks.endpoint(receiver=receiver).init().start()
    hooks.put(*({"kind": b"incident", "state": b"DOWN", "host": b"h%d" % i,
                 "message": filler * (size // len(filler) + 10)}
                for i, filler in enumerate(corpus.FILLERS)))
    hooks.wait_settled()
    sizes = [len(r.raw) for r in receiver.requests]
    assert len(sizes) == len(corpus.FILLERS)
    assert all(size - 16 < s <= size for s in sizes), sizes
