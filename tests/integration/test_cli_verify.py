# SPDX-License-Identifier: MIT
"""hookspool verify: what hookspoold signs is good, what was done to it on its way is
named, and no secret is ever printed."""

import base64
import hashlib
import hmac
import json
import time

import pytest

import programs
from receiver import SECRET, canonical, signature_of
from spool import wait_for
from test_tools import PAYLOAD

BODY = canonical({**PAYLOAD, "monitor": {**PAYLOAD["monitor"], "name": "Größe a/b"}})
KEY = b"0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(KEY).decode()


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256)


def spo(key=SECRET.encode(), body=BODY):
    return "sha256=" + mac(key, body).hexdigest()


def v1(key=SECRET.encode(), body=BODY, event="msg_1", at=None):
    at = int(time.time()) if at is None else at
    return "v1," + base64.b64encode(mac(key, b"%s.%d." % (event.encode(), at)
                                        + body).digest()).decode()


def verify(hooks, *args, body=BODY, secret=None, files=None, **options):
    if secret is not None:
        hooks.write_secret(secret)
    for file in files or [hooks.secret]:
        args = (*args, "--secret-file", file)
    done = programs.run(programs.CONTROL, "verify", *args, stdin=None, input=body,
                        text=False, **options)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    for hidden in (SECRET, WHSEC[6:], KEY.decode()):
        assert hidden not in done.stdout + done.stderr
    return done


GOOD = spo()
HEADER = "X-StatusPageOne-Signature: "
# name: (signature, body, secret's file, exit status, what is said)
CASES = {
    "good": (GOOD, BODY, None, 0, "good: X-StatusPageOne-Signature: made with"),
    "header": (HEADER + GOOD, BODY, None, 0, "good"),
    "header, small": (HEADER.lower() + GOOD + " ", BODY, None, 0, "good"),
    "raw bytes": (spo(body=b"\xff\0\n"), b"\xff\0\n", None, 0, "good"),
    "crlf in secret's file": (GOOD, BODY, SECRET + "\r\n", 0, "good"),
    "whsec text": (spo(WHSEC.encode()), BODY, WHSEC + "\n", 0, "good"),
    "newline added": (GOOD, BODY + b"\n", None, 1, "newline at its end that was not"),
    "crlf added": (GOOD, BODY + b"\r\n", None, 1, "CR LF at its end that was not"),
    "newlines added": (GOOD, BODY + b"\n\n\n", None, 1, "blanks or newlines at its end"),
    "newline lost": (spo(body=BODY + b"\n"), BODY, None, 1, "end of the signed body is m"),
    "bom": (GOOD, b"\xef\xbb\xbf" + BODY, None, 1, "byte order mark in front"),
    "pretty": (GOOD, json.dumps(json.loads(BODY), indent=2).encode(), None, 1,
               "was written anew"),
    "pretty, newline": (GOOD, json.dumps(json.loads(BODY), indent=2).encode() + b"\n",
                        None, 1, "was written anew"),
    "escapes": (GOOD, json.dumps(json.loads(BODY)).encode(), None, 1, "written anew"),
    "slashes": (GOOD, BODY.replace(b"/", b"\\/"), None, 1, "was written anew"),
    "upper case": (GOOD.replace(GOOD[7:], GOOD[7:].upper()), BODY, None, 1, "capital"),
    "all upper case": (GOOD.upper(), BODY, None, 1, "small letters"),
    "no prefix": (GOOD[7:], BODY, None, 1, "there is no sha256= in front"),
    "cut": (GOOD[:-3], BODY, None, 1, "61 characters instead of 64: it was cut off"),
    "cut short": (GOOD[:10], BODY, None, 1, "too little of it is left"),
    "longer": (GOOD + "00", BODY, None, 1, "66 characters instead of 64"),
    "empty": (" ", BODY, None, 1, "it is empty"),
    "one digit": (GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"), BODY, None, 1,
                  "another secret: the body is whole"),
    "secret with newline": (spo(SECRET.encode() + b"\n"), BODY, None, 1,
                            "newline at the end of the secret's file"),
    "secret with crlf": (spo(SECRET.encode() + b"\r\n"), BODY, None, 1, "the CR LF at"),
    "secret with blanks": (GOOD, BODY, f" {SECRET} \n", 1, "without the blanks"),
    "decoded": (spo(KEY), BODY, WHSEC, 1, "bytes that the whsec_ secret stands for"),
    "both": (spo(SECRET.encode() + b"\n").upper(), BODY + b"\n", None, 1,
             "capital letters; small ones are compared; the body has a newline at its end "
             "that was not signed; signed with the newline"),
    "wrong secret": (spo(b"other"), BODY, None, 1, "signed with another secret: the body"),
    "other body": (spo(), BODY.replace(b"DOWN", b"DO"), None, 1, "the body was changed"),
    "cut body": (spo(), BODY[:-20], None, 1, "it is no JSON, was it cut off?"),
    "empty body": (spo(), b"", None, 1, "the body is empty"),
}


@pytest.mark.parametrize("case", CASES)
def test_statuspageone(hooks, case):
    signature, body, secret, code, said = CASES[case]
    done = verify(hooks, "--signature", signature, body=body, secret=secret)
    assert done.returncode == code and said in done.stdout and done.stderr == "", done
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("good: " if code == 0 else "bad: ")
    assert programs.run("grep", "-c", "", hooks.secret).returncode == 0


STANDARD = {
    "good": (lambda at: v1(at=at), SECRET, 0, "good: webhook-signature: made with"),
    "header": (lambda at: "webhook-signature: " + v1(at=at), SECRET, 0, "good"),
    "several": (lambda at: f"v1a,xy v1,AAAA {v1(at=at)} v1,BBBB", SECRET, 0, "good"),
    "whsec": (lambda at: v1(KEY, at=at), WHSEC, 0, "good"),
    "text": (lambda at: v1(WHSEC.encode(), at=at), WHSEC, 1, "text of the whsec_ secret"),
    "newline": (lambda at: v1(SECRET.encode() + b"\n", at=at), SECRET, 1, "newline at t"),
    "other id": (lambda at: v1(event="msg_2", at=at), SECRET, 1, "webhook-id or webhook-t"),
    "other time": (lambda at: v1(at=at + 1), SECRET, 1, "webhook-id or webhook-timestamp"),
    "version": (lambda at: "v2," + v1(at=at)[3:], SECRET, 1, "no signature of version v1"),
    "bare": (lambda at: v1(at=at)[3:], SECRET, 1, "there is no v1, in front"),
    "cut": (lambda at: v1(at=at)[:-2], SECRET, 1, "42 characters instead of 44: it was c"),
    "case": (lambda at: v1(at=at).swapcase(), SECRET, 1, "another secret"),
}


@pytest.mark.parametrize("case", STANDARD)
def test_standard_webhooks(hooks, case):
    make, secret, code, said = STANDARD[case]
    at = int(time.time())
    done = verify(hooks, "--webhook-id", "msg_1", "--webhook-timestamp", at,
                  "--webhook-signature", make(at), secret=secret + "\n")
    assert done.returncode == code and said in done.stdout and done.stderr == "", done


@pytest.mark.parametrize("at, said", [(-301, "s old"), (-290, None), (301, "s ahead"),
                                      ("000", "not in seconds"), ("x", "no number of")])
def test_old_requests_are_good_with_a_warning(hooks, at, said):
    now = int(time.time())
    at = now + at if isinstance(at, int) else f"{now}{at}"
    signature = "v1," + base64.b64encode(
        mac(SECRET.encode(), f"msg_1.{at}.".encode() + BODY).digest()).decode()
    done = verify(hooks, "--webhook-id", "webhook-id: msg_1", "--webhook-timestamp",
                  f"webhook-timestamp: {at}", "--webhook-signature", signature)
    assert done.returncode == 0 and done.stdout.startswith("good"), done
    assert said in done.stderr if said else done.stderr == ""


def test_both_must_be_good(hooks):
    at = int(time.time())
    standard = ("--webhook-id", "msg_1", "--webhook-timestamp", at, "--webhook-signature")
    for signature, webhook, code in ((GOOD, v1(at=at), 0), (spo(b"x"), v1(at=at), 1),
                                     (GOOD, v1(b"x", at=at), 1)):
        done = verify(hooks, "--signature", signature, *standard, webhook)
        assert done.returncode == code and done.stdout.count("\n") == 2, done


def test_one_of_several_secrets(hooks, folder):
    files = []
    for name in ("a", "b", "c"):
        files.append(folder / name)
        files[-1].write_text(name * 20 + "\n", encoding="ascii")
        files[-1].chmod(0o600)
    done = verify(hooks, "--signature", spo(b"b" * 20), files=files)
    assert done.returncode == 0 and f"made with {folder}/b" in done.stdout, done
    done = verify(hooks, "--signature", spo(b"c" * 20 + b"\n"), files=files)
    assert done.returncode == 1 and f"({folder}/c)" in done.stdout, done
    assert verify(hooks, "--signature", spo(b"d" * 20), files=files).returncode == 1


def test_what_hookspoold_sends_is_good(hooks, receiver):
    """By the endpoint's name, both schemes, as captured."""
    hooks.endpoint("main", receiver=receiver, standard_webhooks=True).init().start()
    hooks.generate(1)
    wait_for("the request", receiver.snapshot)
    (request,) = receiver.snapshot()
    body = hooks.folder / "body"
    body.write_bytes(request.raw)
    options = [f"--{n}={request.headers[n]}" for n in ("webhook-id", "webhook-timestamp",
                                                       "webhook-signature")]
    done = hooks.control("verify", "--endpoint", "main", *options, "--signature",
                         request.headers["x-statuspageone-signature"], body)
    assert done.returncode == 0 and done.stdout.count("good: ") == 2, done
    done = hooks.control("verify", "--endpoint", "other", "--signature", "x", body)
    assert done.returncode == 64 and "no endpoint 'other' in" in done.stderr, done


WRONG = {
    "nothing": ((), 64, "--signature, or --webhook-id"),
    "no secret": (("--signature", GOOD), 64, "--secret-file or --endpoint is needed"),
    "two secrets": (("--signature", GOOD, "--secret-file", "a", "--endpoint", "b"), 64,
                    "and not both"),
    "half": (("--webhook-id", "x", "--secret-file", "a"), 64, "go together"),
    "two bodies": (("--signature", GOOD, "--secret-file", "a", "b", "c"), 64, "operands"),
    "no file": (("--signature", GOOD, "--secret-file", "/nonexistent/a"), 2,
                "secret file /nonexistent/a: No such file"),
    "world-readable": (("--signature", GOOD, "--secret-file", "/etc/passwd"), 2,
                       "everybody may read it"),
    "no configuration": (("-c", "/nonexistent", "--signature", GOOD, "--endpoint", "x"), 2,
                         "/nonexistent: No such file"),
}


@pytest.mark.parametrize("args, code, said", WRONG.values(), ids=WRONG)
def test_wrong_use(args, code, said):
    done = programs.run(programs.CONTROL, "verify", *args)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr, done


@pytest.mark.parametrize("body", ["/nonexistent/body", "/"])
def test_unreadable_body(hooks, body):
    done = programs.run(programs.CONTROL, "verify", "--signature", GOOD, "--secret-file",
                        hooks.secret, body)
    assert done.returncode == 2 and body in done.stderr, done


def test_unsigned_reference():
    """The tests' own signature is the receiver's."""
    assert GOOD == signature_of(BODY)
