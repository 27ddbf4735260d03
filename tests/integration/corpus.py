# SPDX-License-Identifier: MIT
"""Nasty events, the same in every run: texts that break JSON writers, UTF-8 decoders and
size limits, as fields for putter."""

import itertools
import random

LETTERS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,:;-_"
CONTROLS = [bytes([c]) for c in (*range(0x20), 0x7F)]
JSON_TRAPS = [s.encode() for s in (
    '"', "\\", '\\"', "/", "\\/", "</script>", "\\u0041", "\\ud800", "\\x00", "\\n",
    '{"a":1}', "[1,2", "null", "1e3", "-0", "__proto__", "'; touch x; '", "$(id)", "`id`",
    "%s%n%d", "${HOME}", "&amp;", "\r\n", "\n\n\n", "\t\t")]
WIDE = [s.encode() for s in (
    "\u2028", "\u2029", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\u0085", "\u00a0",
    "\u200d", "\u202e", "\u0301", "\ue000", "é", "ß", "ﬁ", "漢字", "עברית", "ไทย",
    "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "𝒳", "\U0010ffff", "\U00010000")]
ILL_FORMED = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xfe\xff", b"\xc3", b"\xe2\x82",
    b"\xe2", b"\xf0\x9f", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80", b"\xed\xa0", b"\xc3(", b"\xe2(\xa1", b"\xf0(\x8c\xbc",
    "Übergröße überschritten".encode("latin-1"), "naïve café €".encode("cp1252")]
PIECES = CONTROLS + JSON_TRAPS + WIDE + ILL_FORMED

# What fills a message beyond the cap: each kind grows differently in JSON.
FILLERS = [b"x", b'"', b"\\", b"\x01", b"\n", b"\xff", "é".encode(), "😀".encode(),
           "\u2028".encode(), b"\xf0\x9f\x98", b"a\xe2\x82"]


def plain(rng, length):
    return "".join(rng.choice(LETTERS) for _ in range(length)).encode()


def mixture(rng):
    parts = []
    for _ in range(rng.randrange(1, 12)):
        parts.append(rng.choice(PIECES) if rng.random() < 0.6 else plain(rng, 8))
    return b"".join(parts)


def messages(rng):
    """Endlessly: every single piece first, alone and within text, then mixtures."""
    for piece in PIECES:
        yield piece
        yield b"before" + piece + b"after"
        yield piece + piece
    for size in (98_000, 102_000, 102_399, 102_400, 110_000, 130_000):
        for filler in FILLERS:
            yield filler * (size // len(filler) + 1)
    while True:
        if rng.random() < 0.2:
            yield rng.randbytes(rng.randrange(1, 200))
        else:
            yield mixture(rng)


def numbers(rng):
    """Numbers at their edges, or none."""
    edges = {"response": (0, 1, 30000, 2**53), "code": (0, 100, 200, 503, 999),
             "failures": (0, 1, 3, 2**53), "level": (1, 2, 2**53),
             "time": (0, 1, 951782400, 1705314615, 2**31, 253402300799)}
    return {name: str(rng.choice(values)).encode()
            for name, values in edges.items() if rng.random() < 0.5}


def events(count=2200, seed=7):
    """`count` events: dictionaries of bytes. Their messages need not be UTF-8."""
    rng = random.Random(seed)
    made = []
    for index, message in enumerate(itertools.islice(messages(rng), count)):
        event = {"kind": b"incident", "state": b"DOWN", "message": message,
                 "system": b"corpus", "host": b"host-%d" % (index % 200)}
        if index % 3 == 1:
            event["service"] = mixture(rng)
        if index % 5 == 1:
            event["name"] = mixture(rng) + b"."
        if index % 7 == 1:
            event["url"] = b"https://example.com/" + mixture(rng)
        if index % 11 == 1:
            event["region"] = mixture(rng) + b"."
        if index % 13 == 1:
            event["detail:OUTPUT"] = mixture(rng)
        event.update(numbers(rng))
        made.append(event)
    return made


def decoded(message):
    """What every JavaScript receiver makes of these bytes; a NUL, which no text of the
    library can hold, is replaced like what is ill-formed."""
    return message.decode("utf-8", "replace").replace("\0", "\ufffd")


def record(event):
    """The event as putter reads it."""
    lines = [b"%s %d\n%s\n" % (name.encode(), len(value), value)
             for name, value in event.items()]
    return b"".join(lines) + b".\n"
