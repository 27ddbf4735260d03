# SPDX-License-Identifier: MIT
"""TLS is verified; what is wrong with a certificate stops delivery and loses nothing."""

import ssl

import pytest

import certificates
from checks import check_exactly
from receiver import tls_context
from spool import wait_for

PAST = {"start": "20200101000000Z", "end": "20200201000000Z"}


@pytest.fixture(scope="session")
def good(authority):
    return authority.issue("good")


@pytest.fixture
def wrong_certificate(request, authority, folder):
    return {"self-signed": lambda: certificates.self_signed(folder),
            "expired": lambda: authority.issue("expired", **PAST),
            "wrong name": lambda: authority.issue("name", "DNS:elsewhere.example"),
            "another authority": lambda: certificates.Authority(
                folder / "other", "Other CA").issue("stranger")}[request.param]()


def test_own_authority(hooks, make_receiver, authority, good):
    receiver = make_receiver(certificate=good)
    hooks.endpoint(url=receiver.url(host="localhost"), ca_file=authority.cert)
    hooks.init().start()
    ids = hooks.generate(40, monitors=10)
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert receiver.connections <= 20  # they are kept and used again


@pytest.mark.parametrize("wrong_certificate", [
    "self-signed", "expired", "wrong name", "another authority"], indirect=True)
def test_wrong_certificate(hooks, make_receiver, authority, good, wrong_certificate):
    """No request gets through, and none of the events is charged; with a good
    certificate in its place all of them arrive."""
    receiver = make_receiver(certificate=wrong_certificate)
    hooks.endpoint(receiver=receiver, ca_file=authority.cert, retries=1).init().start()
    ids = hooks.generate(6, monitors=3)
    wait_for("some tries", lambda: len(hooks.journal("failed")) >= 8)
    assert receiver.requests == []
    assert hooks.dead() == []
    reasons = {line["reason"] for line in hooks.journal("failed")}
    assert any("certificate" in r or "SSL" in r for r in reasons), reasons

    receiver.down()
    receiver.context = tls_context(good, None)
    receiver.up()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_unknown_authority_without_ca_file(hooks, make_receiver, good):
    """The system's authorities do not know ours."""
    receiver = make_receiver(certificate=good)
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(1)
    hooks.wait_journal("failed")
    assert receiver.requests == []


def test_old_tls_is_refused(hooks, make_receiver, authority, good):
    receiver = make_receiver(certificate=good)
    receiver.down()
    with pytest.warns(DeprecationWarning):
        receiver.context.minimum_version = ssl.TLSVersion.TLSv1
        receiver.context.maximum_version = ssl.TLSVersion.TLSv1_1
    receiver.context.set_ciphers("ALL:@SECLEVEL=0")
    receiver.up()
    hooks.endpoint(receiver=receiver, ca_file=authority.cert).init().start()
    (event,) = hooks.generate(1)
    hooks.wait_journal("failed")
    assert receiver.requests == []
    receiver.down()
    receiver.context = tls_context(good, None)
    receiver.up()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), [event])


def test_client_certificate(hooks, make_receiver, authority, good):
    client = authority.issue("client", "DNS:client.example")
    receiver = make_receiver(certificate=good, client_ca=authority.cert)
    hooks.endpoint(receiver=receiver, ca_file=authority.cert).init().start()
    (event,) = hooks.generate(1)
    hooks.wait_journal("failed")
    assert receiver.requests == []
    hooks.endpoint(receiver=receiver, ca_file=authority.cert, cert_file=client.cert,
                   key_file=client.key).write()
    hooks.daemon.reload()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), [event])


@pytest.mark.parametrize("url, allowed", [
    ("http://hooks.example.com/x", False), ("http://10.0.0.1/x", False),
    ("http://127.0.0.1.example.com/x", False), ("http://127.0.0.1:8/x", True),
    ("http://localhost:8/x", True), ("http://[::1]:8/x", True),
    ("https://hooks.example.com/x", True), ("ftp://127.0.0.1/x", False)])
def test_plain_http_is_for_loopback(hooks, url, allowed):
    hooks.endpoint(url=url).write()
    done = hooks.control("check-config")
    assert done.returncode == (0 if allowed else 78), done
    if not allowed:
        assert "url" in done.stderr


def test_plain_http_where_allowed(hooks):
    hooks.endpoint(url="http://hooks.example.com/x", allow_http=True).write()
    assert hooks.control("check-config").returncode == 0
