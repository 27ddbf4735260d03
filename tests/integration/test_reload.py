# SPDX-License-Identifier: MIT
"""Changing the configuration under a running daemon loses nothing."""

import pytest

from checks import check_arrived, check_exactly, check_numbers
from spool import wait_for


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_removed_endpoint_keeps_its_events(hooks, make_receiver, how):
    """Orphaned in the status; delivered when the endpoint comes back."""
    first, second = make_receiver(), make_receiver()
    first.down()
    hooks.endpoint("first", receiver=first).endpoint("second", receiver=second).init()
    hooks.start()
    ids = hooks.generate(20, monitors=5)
    wait_for("the queue of the first", lambda: (
        len(hooks.files("queue/first")) == 20 and len(second.accepted()) == 20))

    removed = hooks.endpoints.pop("first")
    change(hooks, how)
    hooks.wait_state("orphaned", "first")
    assert hooks.endpoint_status("first")["pending"] == 20
    later = hooks.generate(4, monitors=2, prefix="later")
    wait_for("the later ones", lambda: len(second.accepted()) == 24)
    assert len(hooks.files("queue/first")) == 20

    first.up()
    hooks.endpoints["first"] = removed
    change(hooks, how)
    hooks.wait_settled()
    check_exactly(first.accepted(), ids)
    check_exactly(second.accepted(), ids + later)
    check_numbers(first.snapshot())


def change(hooks, how):
    hooks.write()
    if how == "reload":
        hooks.daemon.reload()
    else:
        hooks.daemon.stop()
        hooks.start()


def test_renamed_endpoint(hooks, receiver):
    """The old name is orphaned, the new one gets what comes from now on, and the old
    name given back delivers the rest."""
    receiver.down()
    hooks.endpoint("old", receiver=receiver).init().start()
    ids = hooks.generate(10, monitors=5)
    wait_for("queued", lambda: len(hooks.files("queue/old")) == 10)
    hooks.endpoints["new"] = hooks.endpoints.pop("old")
    change(hooks, "reload")
    hooks.wait_state("orphaned", "old")
    receiver.up()
    later = hooks.generate(10, monitors=5, prefix="later")
    wait_for("the later ones", lambda: len(receiver.accepted()) == 10)
    check_exactly(receiver.accepted(), later)
    hooks.endpoint("old", receiver=receiver)
    change(hooks, "reload")
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids + later)


def test_reload_under_load(hooks, make_receiver):
    """Endpoints come and go while events stream in; each gets all of those that were
    taken in while it was there, and the one that stayed gets every one."""
    stays, comes = make_receiver(), make_receiver()
    hooks.endpoint("stays", receiver=stays).endpoint("comes", receiver=comes).init()
    hooks.start()
    ids, block = [], hooks.endpoints["comes"]
    for first in range(12):
        ids += hooks.generate(50, monitors=50, first=first, batch=5)
        if hooks.endpoints.pop("comes", None) is None:
            hooks.endpoints["comes"] = block
        change(hooks, "reload")
    hooks.endpoints["comes"] = block
    change(hooks, "reload")
    hooks.wait_settled()
    check_exactly(stays.accepted(), ids)
    check_numbers(stays.snapshot())
    check_numbers(comes.snapshot())
    assert not hooks.dead("comes") and not hooks.dead("stays")


def test_reload_takes_new_values(hooks, make_receiver):
    """A new URL and a new secret hold for what already waits."""
    old, new = make_receiver(), make_receiver(secret="another secret")
    old.down()
    hooks.endpoint(receiver=old).init().start()
    ids = hooks.generate(10, monitors=5)
    hooks.wait_state("backoff")
    hooks.write_secret("another secret\n")
    hooks.endpoint(receiver=new)
    change(hooks, "reload")
    hooks.wait_settled()
    check_exactly(new.accepted(), ids)


def test_bad_reload_keeps_the_old_one(main, receiver):
    """A typo at reload: said once, with its place, and the old configuration stays."""
    main.endpoints["main"]["retries"] = "many"
    main.write()
    main.daemon.reload()
    main.daemon.wait_log("retries")
    assert f"{main.config}:" in main.daemon.log()
    ids = main.generate(10, monitors=5)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)
    main.config.unlink()
    main.daemon.reload()
    main.daemon.wait_log("No such file")
    main.write()
    ids += main.generate(10, monitors=5, first=2)
    main.wait_settled()
    check_arrived(receiver.accepted(), ids)


def test_bad_secret_at_reload_keeps_the_old_one(main, receiver):
    main.secret.unlink()
    main.daemon.reload()
    main.daemon.wait_log(str(main.secret))
    ids = main.generate(5)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_no_endpoint_at_all_leaves_incoming_alone(hooks, receiver):
    hooks.init().start()
    ids = hooks.generate(10)
    wait_for("the status counts them", lambda: hooks.status().get("incoming") == 10)
    assert len(hooks.files("incoming")) == 10 and not hooks.files("queue")
    hooks.endpoint(receiver=receiver)
    change(hooks, "reload")
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_endpoints_in_their_own_folder(hooks, make_receiver):
    """endpoints.d beside the configuration, as it is installed."""
    one, two = make_receiver(), make_receiver()
    hooks.endpoint("one", receiver=one).endpoint("two", receiver=two)
    blocks = hooks.text().split('endpoint "')
    hooks.init()
    hooks.write(blocks[0])
    extra = hooks.folder / "endpoints.d"
    extra.mkdir(mode=0o700)
    for name, block in zip(("10-one.conf", "20-two.conf"), blocks[1:]):
        (extra / name).write_text('endpoint "' + block, encoding="utf-8")
    (extra / "30-ignored.conf.bak").write_text("nonsense", encoding="ascii")
    hooks.start()
    ids = hooks.generate(6)
    hooks.wait_settled()
    check_exactly(one.accepted(), ids)
    check_exactly(two.accepted(), ids)


def test_adapter_narrows_the_fan_out(hooks, make_receiver):
    """ENDPOINT=a,b; empty and "all" are all; an unknown name goes to all, with a
    warning; what nobody wants is a line in the journal."""
    receivers = {name: make_receiver() for name in "abc"}
    for name, receiver in receivers.items():
        hooks.endpoint(name, receiver=receiver)
    hooks.endpoints["c"]["events"] = ["recovery"]
    hooks.init().start()
    for number, wanted in enumerate(("a,b", "", "all", "b", "a,nonsense", "c")):
        hooks.service(host=f"h{number}", ENDPOINT=wanted)
    hooks.wait_settled()
    got = {name: sorted(r.monitor[1] for r in receiver.accepted())
           for name, receiver in receivers.items()}
    assert got == {"a": list("0124"), "b": list("01234"), "c": []}
    assert hooks.journal("warning")
    delivered = {r.id for receiver in receivers.values() for r in receiver.accepted()}
    unwanted = [line for line in hooks.journal("filtered") if line["id"] not in delivered]
    assert len(unwanted) == 1  # h5: only "c" was named, and "c" wants recoveries
