# SPDX-License-Identifier: MIT
"""Standard Webhooks beside the StatusPageOne signature, verified by their library."""

import base64

import pytest

from documented import NodeReceiver
from receiver import SECRET, canonical, signature_of
from spool import wait_for

DECODED = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"another key that has its 32 byte").decode()


@pytest.fixture
def verifying(node_modules, folder):
    """Make a receiver that verifies with `secret`."""
    made = []

    def make(secret):
        path = folder / f"receiver-{len(made)}.secret"
        path.write_text(secret + "\n", encoding="ascii")
        made.append(NodeReceiver(node_modules, "standard.js", path))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


def deliver(hooks, receiver, secret_files, count=3):
    hooks.endpoint(url=receiver.url(), secret_file=secret_files, standard_webhooks=True)
    hooks.init().start()
    ids = hooks.generate(count)
    wait_for("all requests", lambda: len(receiver.requests) >= count)
    hooks.daemon.stop()
    return ids


@pytest.mark.parametrize("secret", [DECODED, SECRET], ids=["whsec", "literal"])
def test_library_verifies(hooks, verifying, secret):
    hooks.write_secret(secret + "\n")
    receiver = verifying(secret)
    ids = deliver(hooks, receiver, hooks.secret)
    assert [r["status"] for r in receiver.requests] == [200] * 3
    for request in receiver.requests:
        headers = request["headers"]
        assert headers["webhook-id"] == headers["x-hookspool-delivery"] in ids
        # The StatusPageOne signature keys with the bytes of the file, also of a whsec_.
        assert (headers["x-statuspageone-signature"]
                == signature_of(canonical(request["body"]), secret))


def test_rotation_signs_with_every_secret(hooks, verifying, folder):
    """A receiver that has the old or the new secret verifies while both are set; the
    StatusPageOne signature is the first one's."""
    new, old = folder / "new", folder / "old"
    for path, secret in ((new, DECODED), (old, OTHER)):
        path.write_text(secret, encoding="ascii")
        path.chmod(0o600)
    for secret in (DECODED, OTHER):
        receiver = verifying(secret)
        deliver(hooks, receiver, [new, old])
        assert [r["status"] for r in receiver.requests] == [200] * 3
        for request in receiver.requests:
            headers = request["headers"]
            assert len(headers["webhook-signature"].split(" ")) == 2
            assert (headers["x-statuspageone-signature"]
                    == signature_of(canonical(request["body"]), DECODED))


def test_retry_keeps_the_id_and_renews_the_time(hooks, receiver):
    receiver.answer(status=500, times=2)
    hooks.endpoint(receiver=receiver, standard_webhooks=True, backoff="1100ms",
                   backoff_max="2s").init().start()
    (event,) = hooks.generate(1)
    wait_for("three requests", lambda: len(receiver.requests) >= 3)
    assert {r.headers["webhook-id"] for r in receiver.requests} == {event}
    times = [int(r.headers["webhook-timestamp"]) for r in receiver.requests]
    assert times[0] < times[2]


def test_absent_unless_asked_for(main, receiver):
    main.generate(1)
    wait_for("the request", lambda: receiver.requests)
    assert not [n for n in receiver.requests[0].headers if n.startswith("webhook-")]
