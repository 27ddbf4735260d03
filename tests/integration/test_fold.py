# SPDX-License-Identifier: MIT
"""What a host reports several times is one webhook."""

import time

import pytest

from checks import check_exactly
from spool import wait_for


def to_contacts(hooks, *contacts, number="17", timet=None, host="web-01", **macros):
    """Nagios runs the command once a contact, with one NOTIFICATIONID and TIMET."""
    for contact in contacts:
        hooks.service(host=host, TIMET=timet or int(time.time()), CONTACTNAME=contact,
                      SERVICENOTIFICATIONID=number, NOTIFICATIONID=number, **macros)


def test_three_contacts_are_one_webhook(main, receiver):
    to_contacts(main, "alice", "bob", "carol", timet=1_800_000_000)
    main.wait_settled()
    assert len(receiver.accepted()) == 1
    assert len(main.journal("folded")) == 2


def test_three_contacts_at_once(hooks, receiver):
    """Found in one scan."""
    hooks.endpoint(receiver=receiver).init()
    to_contacts(hooks, "alice", "bob", "carol", timet=1_800_000_000)
    hooks.start()
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1
    assert len(hooks.journal("folded")) == 2


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_between_the_contacts(main, receiver, end):
    for contact in ("alice", "bob", "carol"):
        to_contacts(main, contact, timet=1_800_000_000)
        main.wait_settled()
        getattr(main.daemon, end)()
        main.start()
    main.wait_settled()
    assert len(receiver.accepted()) == 1


def test_folded_while_the_first_one_still_waits(main, receiver):
    receiver.down()
    to_contacts(main, "alice", timet=1_800_000_000)
    main.wait_journal("failed")
    to_contacts(main, "bob", timet=1_800_000_000)
    main.wait_journal("folded")
    receiver.up()
    main.wait_settled()
    assert len(receiver.accepted()) == 1


def test_different_ones_are_not_folded(main, receiver):
    """Another number, time, host or type is another notification."""
    for different in ({"number": "18"}, {"timet": 1_800_000_060}, {"host": "web-02"},
                      {"kind": "CUSTOM"}, {"service": "Disk"}):
        to_contacts(main, "alice", **{"timet": 1_800_000_000, **different})
    main.wait_settled()
    events = [r.id for r in receiver.accepted()]
    # The custom one is filtered: "main" wants incidents and recoveries.
    assert len(events) == 4 and len(main.journal("filtered")) == 1
    assert not main.journal("folded")


def test_no_number_no_folding(main, receiver):
    """Without a NOTIFICATIONID nothing says that two are one."""
    for _ in range(2):
        main.service(TIMET=1_800_000_000)
    main.wait_settled()
    assert len(receiver.accepted()) == 2


def test_fold_time_passes(hooks, receiver):
    hooks.top["fold"] = "1s"
    hooks.endpoint(receiver=receiver).init().start()
    to_contacts(hooks, "alice", "bob", timet=1_800_000_000)
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1
    began = time.monotonic()
    wait_for("the fold time", lambda: time.monotonic() - began > 1.3)
    to_contacts(hooks, "carol", timet=1_800_000_000)
    hooks.wait_settled()
    assert len(receiver.accepted()) == 2


@pytest.mark.parametrize("restart", [False, True])
def test_same_id_twice_is_one_webhook(main, receiver, restart):
    """An adapter that could not know whether its put had worked puts it again."""
    event = {"kind": b"incident", "state": b"DOWN", "host": b"web-01",
             "id": b"018d0e5c-0000-7000-8000-000000000001"}
    ids = main.put(event)
    main.wait_settled()
    if restart:
        main.daemon.kill()
        main.start()
    assert main.put(event) == ids
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert [line["id"] for line in main.journal("folded")] == ids


def test_same_id_in_one_batch_and_in_the_queue(hooks, receiver):
    hooks.endpoint(receiver=receiver).init()
    event = {"kind": b"incident", "state": b"DOWN", "host": b"web-01",
             "id": b"018d0e5c-0000-7000-8000-000000000001"}
    hooks.put(event, event, event, batch=3)
    receiver.down()
    hooks.start()
    hooks.put(event)
    hooks.wait_journal("failed")
    hooks.put(event)
    wait_for("taken in", lambda: not hooks.files("incoming"))
    receiver.up()
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1
