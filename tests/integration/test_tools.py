# SPDX-License-Identifier: MIT
"""The tests' own tools: a receiver that overlooks mistakes would prove nothing."""

import base64
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time

import pytest

import certificates
import corpus
from documented import NodeReceiver
from receiver import canonical, signature_of

PAYLOAD = {
    "event_type": "monitor_alert",
    "monitor": {"id": "mon_abc123xyz789", "name": "API Server",
                "url": "https://api.example.com/health", "status": "DOWN"},
    "check_result": {"status": "DOWN", "timestamp": "2024-01-15T10:30:15Z",
                     "region": "us-east-1",
                     "error_message": "Connection timeout after 30 seconds",
                     "response_time_ms": 30000, "status_code": None},
    "context": {"consecutive_failures": 3, "previous_status": "UP",
                "notification_level": 1, "notification_type": "incident"}}
ID = "018d0e5c-0000-7000-8000-000000000001"


def post(port, raw, signature=None, tls=None, **headers):
    """POST as hookspoold does; (status, headers, body)."""
    connection = (http.client.HTTPSConnection("localhost", port, context=tls, timeout=5)
                  if tls else http.client.HTTPConnection("127.0.0.1", port, timeout=5))
    headers = {"Content-Type": "application/json", "X-Hookspool-Delivery": ID,
               "X-StatusPageOne-Signature": signature or signature_of(raw), **headers}
    try:
        connection.request("POST", "/webhooks/statuspageone", raw, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_good_request_is_recorded(receiver):
    assert post(receiver.port, canonical(PAYLOAD))[0] == 200
    (request,) = receiver.requests
    assert (request.id, request.monitor, request.state) == (ID, "API Server", "DOWN")
    assert request.kind == "incident" and request.number == 30000
    assert not receiver.problems


def without(*path):
    payload = json.loads(json.dumps(PAYLOAD))
    place = payload
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return canonical(payload)


WRONG = {
    "text": (b"not json", None, "no JSON"),
    "digest": (canonical(PAYLOAD), "sha256=00", "wrong signature"),
    "upper case": (canonical(PAYLOAD), signature_of(canonical(PAYLOAD)).upper(),
                   "wrong signature"),
    "blanks": (json.dumps(PAYLOAD).encode(), None, "not canonical"),
    "escape": (canonical(PAYLOAD).replace(b"API", b"\\u0041PI"), None, "not canonical"),
    "float": (canonical(PAYLOAD).replace(b"30000", b"30000.0"), None, "not canonical"),
    "no context": (without("context"), None, "schema"),
    "no status_code": (without("check_result", "status_code"), None, "schema"),
    "one more": (canonical({**PAYLOAD, "extra": 1}), None, "schema"),
    "small": (canonical(PAYLOAD).replace(b'"DOWN"', b'"down"'), None, "schema"),
    "zone": (canonical(PAYLOAD).replace(b"15Z", b"15+00:00"), None, "schema"),
}


@pytest.mark.parametrize("raw, signature, problem", WRONG.values(), ids=WRONG)
def test_receiver_sees_what_is_wrong(receiver, raw, signature, problem):
    post(receiver.port, raw, signature)
    assert any(p.startswith(problem) for p in receiver.problems), receiver.problems
    receiver.problems.clear()


def test_receiver_obeys(receiver):
    raw = canonical(PAYLOAD)
    receiver.answer(status=503, headers={"Retry-After": "7"}, times=1)
    status, headers, _ = post(receiver.port, raw)
    assert (status, headers["Retry-After"]) == (503, "7")
    receiver.answer(status=422, monitor="another")
    assert post(receiver.port, raw)[0] == 200
    receiver.answer(status=418, monitor="API Server", kind="incident")
    assert post(receiver.port, raw)[0] == 418
    receiver.forget_rules()
    for mode, fault in (("hangup", http.client.RemoteDisconnected),
                        ("cut", http.client.IncompleteRead)):
        receiver.answer(mode=mode, times=1)
        with pytest.raises(fault):
            post(receiver.port, raw)


@pytest.mark.parametrize("mode, least, most", [("silent", 0, 0), ("drip", 1, 30)])
def test_receiver_takes_its_time(receiver, mode, least, most):
    raw, got = canonical(PAYLOAD), b""
    receiver.answer(mode=mode)
    with socket.create_connection(("127.0.0.1", receiver.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n"
                       b"X-Hookspool-Delivery: %s\r\nX-StatusPageOne-Signature: %s\r\n"
                       b"Content-Length: %d\r\n\r\n"
                       % (ID.encode(), signature_of(raw).encode(), len(raw)) + raw)
        end = time.monotonic() + 0.5
        while (left := end - time.monotonic()) > 0:
            client.settimeout(left)
            try:
                got += client.recv(1)
            except TimeoutError:
                break
    assert least <= len(got) <= most and b"HTTP/1.1".startswith(got[:8])
    assert [r.status for r in receiver.requests] == [mode]


def test_receiver_goes_and_comes_back(receiver):
    port, raw = receiver.port, canonical(PAYLOAD)
    for _ in range(3):
        receiver.down()
        with pytest.raises(ConnectionRefusedError):
            post(port, raw)
        receiver.up()
        assert receiver.port == port and post(port, raw)[0] == 200
    assert len(receiver.requests) == 3


def test_certificates(make_receiver, authority, folder):
    raw = canonical(PAYLOAD)
    trust = ssl.create_default_context(cafile=str(authority.cert))
    past = {"start": "20200101000000Z", "end": "20200201000000Z"}
    wrong = {"self": certificates.self_signed(folder),
             "expired": authority.issue("expired", **past),
             "name": authority.issue("name", "DNS:elsewhere.example")}
    good = make_receiver(certificate=authority.issue("good"))
    assert post(good.port, raw, tls=trust)[0] == 200
    for name, certificate in wrong.items():
        receiver = make_receiver(certificate=certificate)
        with pytest.raises(ssl.SSLCertVerificationError) as fault:
            post(receiver.port, raw, tls=trust)
        expected = {"self": "self-signed", "expired": "expired", "name": "match"}[name]
        assert expected in str(fault.value)
        assert not receiver.requests


def test_corpus_is_nasty_and_always_the_same():
    events = corpus.events()
    assert len(events) >= 2000 and events == corpus.events()
    texts = [e["message"] for e in events]
    assert sum(corpus.decoded(t).encode() != t for t in texts) > 500
    assert sum(len(t) > 102_399 for t in texts) > 20
    for piece in corpus.PIECES:
        assert piece in texts


def test_express_takes_the_documented_way(node_modules, hooks):
    express = NodeReceiver(node_modules, "express.js", hooks.secret)
    try:
        good = canonical(PAYLOAD)
        assert post(express.port, good)[0] == 200
        assert post(express.port, good, signature_of(good, "other"))[0] == 401
        for raw in (good.replace(b":", b": ", 1), good.replace(b"https:/", b"https:\\/"),
                    good.replace(b"30000", b"30000.0")):
            assert post(express.port, raw, signature_of(raw))[0] == 401
        assert post(express.port, b'"' + b"x" * 102_400 + b'"')[0] == 413
    finally:
        express.close()
    assert [r["status"] for r in express.requests] == [200, 401, 401, 401, 401, 413]


def test_standard_webhooks_library(node_modules, hooks):
    key = b"0123456789abcdef0123456789abcdef"
    hooks.write_secret("whsec_" + base64.b64encode(key).decode() + "\n")
    standard = NodeReceiver(node_modules, "standard.js", hooks.secret)
    raw, now = canonical(PAYLOAD), str(int(time.time()))
    digest = hmac.new(key, f"{ID}.{now}.".encode() + raw, hashlib.sha256).digest()
    headers = {"webhook-id": ID, "webhook-timestamp": now}
    try:
        for signature, status in ((digest, 200), (b"x" * 32, 401)):
            value = "v1," + base64.b64encode(signature).decode()
            got = post(standard.port, raw, **headers, **{"webhook-signature": value})
            assert got[0] == status
    finally:
        standard.close()
