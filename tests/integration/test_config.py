# SPDX-License-Identifier: MIT
"""A wrong configuration: refused by the daemon with its place, never in an adapter's
way."""

import os

import pytest

import programs
from spool import wait_for

# What stands in the file, at which line the complaint is, and words it must hold.
TOP = 'spool_dir = "{spool}"\n'
BLOCK = ('endpoint "main" {{\n  url = "http://127.0.0.1:9/"\n'
         '  secret_file = "{secret}"\n{extra}}}\n')
WRONG = {
    "unknown key": (TOP + "colour = 1\n", 2, ["colour"]),
    "unknown endpoint key": (TOP + BLOCK.replace("{extra}", "  colour = 1\n"), 5,
                             ["colour"]),
    "no string": (TOP + "region = {{\n", 2, []),
    "warning_is": (TOP + 'warning_is = "sideways"\n', 2, ["warning_is", "down", "up"]),
    "max_payload": (TOP + 'max_payload = "much"\n', 2, ["max_payload"]),
    "max_payload 2M": (TOP + 'max_payload = "2M"\n', 2, ["max_payload"]),
    "min_free": (TOP + 'min_free = "500%"\n', 2, ["min_free"]),
    "fold": (TOP + 'fold = "soon"\n', 2, ["fold"]),
    "relative spool": ('spool_dir = "spool"\n', 1, ["spool_dir"]),
    "retries": (TOP + BLOCK.replace("{extra}", "  retries = 1000\n"), 5, ["retries"]),
    "negative": (TOP + BLOCK.replace("{extra}", "  retries = -1\n"), 5, ["retries"]),
    "backoff": (TOP + BLOCK.replace("{extra}", '  backoff = "10"\n'), 5, ["backoff"]),
    "timeout": (TOP + BLOCK.replace("{extra}", '  timeout = "0s"\n'), 5, ["timeout"]),
    "rate": (TOP + BLOCK.replace("{extra}", '  rate_limit = "100/day"\n'), 5,
             ["rate_limit", "/min"]),
    "connections": (TOP + BLOCK.replace("{extra}", "  connections = 0\n"), 5,
                    ["connections"]),
    "events": (TOP + BLOCK.replace("{extra}", '  events = {{ "alarm" }}\n'), 5,
               ["events", "incident"]),
    "outage": (TOP + BLOCK.replace("{extra}", '  outage = "panic"\n'), 5,
               ["outage", "count"]),
    "url scheme": (TOP + 'endpoint "main" {{\n  url = "gopher://x/"\n'
                   '  secret_file = "{secret}"\n}}\n', 3, ["url", "https"]),
    "no url": (TOP + 'endpoint "main" {{\n  secret_file = "{secret}"\n}}\n', None,
               ["main", "url"]),
    "no secret": (TOP + 'endpoint "main" {{\n  url = "http://127.0.0.1:9/"\n}}\n', None,
                  ["main", "secret_file"]),
    "name": (TOP + BLOCK.replace("main", "../x").replace("{extra}", ""), None, ["../x"]),
    "twice": (TOP + BLOCK.replace("{extra}", "") + BLOCK.replace("{extra}", ""), None,
              ["main"]),
    "open block": (TOP + 'endpoint "main" {{\n', None, []),
}


def spelled(hooks, text):
    return text.format(spool=hooks.spool, secret=hooks.secret, extra="")


@pytest.mark.parametrize("text, line, words", WRONG.values(), ids=WRONG)
def test_refused_with_its_place(hooks, text, line, words):
    """check-config and the daemon say FILE:LINE, the key, and what is allowed: 78."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    hooks.write(spelled(hooks, text))
    checked = hooks.control("check-config")
    started = programs.run(programs.DAEMON, "-c", hooks.config)
    for done in (checked, started):
        assert done.returncode == 78, done
        place = f"{hooks.config}:{line}:" if line else f"{hooks.config}:"
        assert place in done.stderr, done.stderr
        for word in words:
            assert word in done.stderr, done.stderr


# What adapters read themselves, and so warn of.
THEIRS = {"warning_is", "max_payload", "min_free", "open block", "no string"}


@pytest.mark.parametrize("name", WRONG)
def test_typo_stops_no_adapter(hooks, receiver, name):
    """Exit 0, at most one line of warning, and the event is delivered once the file is
    mended."""
    hooks.endpoint(receiver=receiver).init()
    hooks.write(spelled(hooks, WRONG[name][0]))
    done = hooks.service(options=("-s", str(hooks.spool)))
    lines = done.stderr.splitlines()
    assert len(lines) == 1 if name in THEIRS else len(lines) <= 1, lines
    assert all(str(hooks.config) in line for line in lines)
    hooks.write().start()
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1


@pytest.mark.root("another user's unreadable file")
def test_unreadable_file_stops_no_adapter(hooks, folder):
    """With the spool given: one warning line that names the file."""
    hooks.write()
    spool = folder / "own"
    spool.mkdir()
    os.chown(spool, 65534, 65534)
    hooks.config.chmod(0o600)
    as_nobody = programs.run(
        programs.NOTIFY, "-c", hooks.config, "-s", spool, "service",
        "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=h", "SERVICEDESC=s",
        "SERVICESTATE=CRITICAL", user=65534, group=65534, extra_groups=[])
    assert as_nobody.returncode == 0, as_nobody
    assert str(hooks.config) in as_nobody.stderr


def test_missing_file_stops_no_adapter(hooks):
    hooks.init()
    hooks.config.unlink()
    hooks.service(options=("-s", str(hooks.spool)))
    assert len(hooks.files("incoming")) == 1


def test_daemon_needs_its_file(hooks):
    done = programs.run(programs.DAEMON, "-c", hooks.folder / "none.conf")
    assert done.returncode == 78 and "none.conf" in done.stderr


def test_dollar_is_literal(hooks, receiver):
    """No environment variable ends up in a URL or a region."""
    hooks.top["region"] = "${HOME}-1"
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(1)
    hooks.wait_settled()
    assert receiver.requests[0].payload["check_result"]["region"] == "${HOME}-1"


def test_environment_names_the_file(hooks, receiver):
    hooks.endpoint(receiver=receiver).init().start()
    env = {"HOOKSPOOL_CONFIG": str(hooks.config)}
    done = programs.run(programs.NOTIFY, "host", "NOTIFICATIONTYPE=PROBLEM",
                        "HOSTNAME=web-01", "HOSTSTATE=DOWN", env=env)
    assert done.returncode == 0, done
    wait_for("the event", lambda: receiver.requests)
    assert programs.run(programs.CONTROL, "check-config", env=env).returncode == 0


def test_proxy_environment_is_ignored(hooks, receiver):
    env = {name: "http://127.0.0.1:1/" for name in
           ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")}
    hooks.endpoint(receiver=receiver).init().start(env=env)
    hooks.generate(1)
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1


def test_proxy_key_is_used(hooks, make_receiver):
    """A proxy gets the absolute URL; our receiver plays one."""
    proxy = make_receiver()
    hooks.endpoint(url="http://127.0.0.1:1/through", proxy=proxy.url("")).init().start()
    hooks.generate(1)
    wait_for("the request at the proxy", lambda: proxy.requests)
    assert proxy.requests[0].path == "http://127.0.0.1:1/through"


def test_source_address(hooks, receiver):
    """127.0.0.2 is ours too; the receiver's own view is not recorded, so look at what
    a source that does not exist does."""
    hooks.endpoint("good", receiver=receiver, source_address="127.0.0.2")
    hooks.endpoint("bad", receiver=receiver, source_address="192.0.2.1")
    hooks.init().start()
    hooks.generate(1)
    hooks.wait_journal("delivered", endpoint="good")
    hooks.wait_journal("failed", endpoint="bad")
