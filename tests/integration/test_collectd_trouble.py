# SPDX-License-Identifier: MIT
"""write_hookspool in the real collectd where things go wrong: garbage, wrong options, a
spool that cannot be written, a flood."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time

import pytest

import programs
from collectd import PLUGIN, Collectd, Connection, plugin_dir
from hosts import find_program
from spool import wait_for

# A plugin built with a sanitizer is for test_collectd_sanitizers: the host has to be
# started for it.
pytestmark = pytest.mark.slow

SERIES = "web1/exec-a/gauge-b"
WATCH = """
  <Monitor "plain">
    Host "web1"
    Plugin "exec"
    Type "gauge"
    FailureMax 10
    Timeout 0
  </Monitor>
"""


@pytest.fixture
def make():
    made = []

    def make(*args, **options):
        made.append(Collectd(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


# Garbage

def test_garbage_in_notifications(make):
    host = make("Notifications true").start()
    # The message is cut at 255 bytes, here within a code point; what follows is left out.
    host.notify("failure", b"x" * 253 + "→".encode() * 20, plugin="cut")
    host.notify("failure", b"caf\xe9 \xff\xfe\x01\t\x7f</script>'$(x)", plugin="raw")
    host.notify("failure", "no host", host="", plugin="p", type="t", type_instance="i")
    host.notify("failure", "nothing at all")
    host.notify("failure", "slashes", host="a/b", plugin="c/d", plugin_instance="-",
                type="e")
    host.notify("failure", "old", at=12, plugin="old")
    host.notify("failure", "future", at=9999999999, plugin="future")
    host.notify("failure", "long", plugin="p" * 127, plugin_instance="q" * 127,
                type="t" * 127, type_instance="i" * 127, host="h" * 127)
    host.notify("failure", "latin", host=b"h\xe9", plugin=b"\xff")
    events = wait_for("all", lambda: (lambda e: e if len(e) == 9 else None)(
        host.all_events()))
    by_name = {e.monitor: e for e in events}
    assert by_name["cut"].message == "x" * 253 + "\ufffd"
    assert by_name["raw"].message == "caf\ufffd \ufffd\ufffd\x01\t\x7f</script>'$(x)"
    assert by_name["p/t-i"].all["host"] == ""
    assert by_name["collectd"].message == "nothing at all"
    assert by_name["a/b/c/d--/e"].message == "slashes"
    assert by_name["h\ufffd/\ufffd"].message == "latin"
    for name in ("old", "future"):
        assert abs(by_name[name].all["time"] - time.time()) < 60
    assert len(max(by_name, key=len)) == 5 * 127 + 4
    host.stop()
    assert not host.ours()


def test_meta_data(make):
    host = make("Notifications true").start()
    host.connection.ask(f'PUTNOTIF severity=failure time={int(time.time())} plugin=p '
                        's:colour="blue é" s:message="mine" message="m"')
    (event,) = host.wait_events("p", 1)
    assert event.details["colour"] == "blue é"
    assert event.details["message"] == "m"


# Options

WRONG = [
    ("Nonsense 1", "Invalid configuration option: Nonsense"),
    ('Region 7', "Region: takes one text"),
    ('Region "a" "b"', "Region: takes one text"),
    ('Notifications "true"', "Notifications: takes true or false"),
    ('MinSeverity "critical"', "MinSeverity: 'critical' is not \"okay\", \"warning\" or"),
    ('WarningIs "red"', "WarningIs: 'red' is not \"up\" or \"down\""),
    ('Config "relative"', "Config: 'relative' is not an absolute path"),
    ("<Monitor>\n Plugin \"p\"\n</Monitor>", "Monitor: takes one name"),
    ("<Monitor 5>\n Plugin \"p\"\n</Monitor>", "Monitor: takes one name"),
]
WRONG_MONITOR = [
    ('FailureMax "ten"', "FailureMax: takes one number"),
    ("FailureMin 20", "FailureMin: 20 is above FailureMax 10"),
    ("Failures 0", "Failures: 0 is not from 1 to"),
    ("Failures 1.5", "Failures: 1.5 is not a whole number"),
    ("Successes -1", "Successes: -1 is not from 1"),
    ("Timeout -1", "Timeout: -1 is not from 0"),
    ("Timeout 1e9", "Timeout: takes one number"),  # two values to collectd
    ("NotifyAt 3 1", "NotifyAt: the numbers do not ascend"),
    ('NotifyAt 1 "x"', "NotifyAt: takes numbers only"),
    ('Host "/(/"', "Host: '(' is no regular expression"),
    ('ResponseTime "response_time"', "ResponseTime: 'response_time' is not of the form"),
    ('StatusCode "a/b/c"', "StatusCode: 'a/b/c' is not of the form"),
    ("ResponseTimeFactor 0", "ResponseTimeFactor: 0 is not above 0"),
    ('Source "both"', "Source: 'both' is not \"values\" or \"notifications\""),
    ('Source "notifications"', "FailureMin, FailureMax: with Source"),
    ("<Name>\n Deeper 1\n</Name>", "Name: takes one text"),
]


def test_wrong_options(make):
    """Each is told with its name; everything else works."""
    block = "\n".join(option for option, _ in WRONG) + WATCH + WATCH
    for number, (option, _) in enumerate(WRONG_MONITOR):
        block += WATCH.replace('"plain"', f'"m{number}"').replace(
            "Timeout 0", f"Timeout 0\n{option}")
    block += '<Monitor "empty">\n Failures 2\n</Monitor>\n'
    block += WATCH.replace('"plain"', '"kept"').replace("Timeout", "Timeuot 3\nTimeout")
    host = make(block).start()
    said = host.ours()
    for _, text in WRONG:
        assert any(line.startswith(text) for line in said), (text, said)
    for number, (_, text) in enumerate(WRONG_MONITOR):
        assert any(line.startswith(f'Monitor "m{number}": {text}')
                   and line.endswith("; it is left out") for line in said), (text, said)
    assert 'Monitor "plain": there is another one of this name; it is left out' in said
    assert 'Monitor "kept": Invalid configuration option: Timeuot' in said
    assert any(line.startswith('Monitor "empty": needs one of Host') for line in said)
    assert len(said) == len(WRONG) + len(WRONG_MONITOR) + 3
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    host.wait_events("kept", 1)
    assert len(host.all_events()) == 2


def test_spool_that_cannot_be_determined(make):
    """The one thing that stops collectd."""
    host = make('SpoolDir "relative/spool"').start(wait=False)
    assert host.process.wait(30) == 1
    assert "SpoolDir: 'relative/spool' is not an absolute path" in host.output() + host.log()


def test_two_blocks(make):
    """They add up; what is said twice is taken from the second."""
    host = make(WATCH + "Region \"first\"")
    host.block += ("\n</Plugin>\n<Plugin \"WRITE_HOOKSPOOL\">\n Region \"second\"\n"
                   "Notifications true\n" + WATCH.replace("plain", "other"))
    host.start()
    host.value(SERIES, 11)
    host.notify("failure", "m", plugin="p")
    for name in ("plain", "other", "p"):
        (event,) = host.wait_events(name, 1)
        assert event.payload["check_result"]["region"] == "second"


def test_no_block(make):
    host = make().start()
    config = (host.folder / "collectd.conf").read_text()
    host.stop()
    host.config = lambda: re.sub(r"(?s)<Plugin write_hookspool>.*?</Plugin>", "", config)
    host.start()
    host.wait_log("there is no <Plugin write_hookspool> block")


def test_wrong_hookspool_conf(make):
    """The adapters' configuration may be as broken as it likes."""
    host = make("Notifications true")
    host.make_spool()
    host.hooks.write(host.hooks.text() + "nonsense\n")
    host.start()
    host.notify("failure", "m", plugin="p")
    host.wait_events("p", 1)
    assert any("hookspool.conf" in line for line in host.ours())


def test_test_run_has_no_effect(make):
    """collectd -t reads the configuration and touches nothing."""
    host = make(WATCH)
    host.make_spool()
    config = host.folder / "collectd.conf"
    config.write_text(host.config(), encoding="utf-8")
    before = sorted(host.folder.rglob("*"))
    done = programs.run(find_program("collectd"), "-t", "-C", config)
    assert done.returncode == 0, done
    assert sorted(host.folder.rglob("*")) == before


# The spool

@contextlib.contextmanager
def disk(host, options):
    """A file system of the host's own for its spool."""
    path = host.folder / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    host.hooks.spool = path / "spool"
    host.hooks.top["spool_dir"] = host.hooks.spool
    try:
        yield path
    finally:
        host.close()
        subprocess.run(["umount", "-l", path], check=True)


def trouble(host, text):
    """Events while the spool fails, of which it is told; nobody waits for long."""
    host.value(SERIES, 11)
    began = time.monotonic()
    for number in range(50):
        host.notify("failure", f"during {number}", plugin=f"p{number}")
    assert time.monotonic() - began < 20
    host.value(SERIES, 1)
    host.wait_log(text)
    assert host.log().count(text) < 5


def after_trouble(host):
    """All that happened is there, in its order, and what happens now."""
    host.wait_log("the spool takes events again")
    host.notify("failure", "after", plugin="after")
    host.wait_events("after", 1)
    down, up = host.wait_events("plain", 2)
    assert (down.kind, up.kind) == ("incident", "recovery")
    assert len(host.all_events()) == 53


@pytest.mark.root("mounts a tmpfs")
def test_spool_is_full_and_has_room_again(make):
    host = make(WATCH + "Notifications true")
    with disk(host, "size=2m,mode=755") as path:
        host.start()
        ballast = path / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        trouble(host, "No space left on device; ")
        ballast.unlink()
        after_trouble(host)


@pytest.mark.root("mounts a tmpfs")
def test_spool_is_read_only_and_writable_again(make):
    host = make(WATCH + "Notifications true")
    with disk(host, "size=2m,mode=755") as path:
        host.start()
        subprocess.run(["mount", "-o", "remount,ro", path], check=True)
        trouble(host, "Read-only file system; ")
        subprocess.run(["mount", "-o", "remount,rw", path], check=True)
        after_trouble(host)


def test_spool_is_absent_and_back(make):
    """From the start on, which collectd survives; over a restart; and it comes back."""
    host = make(WATCH + "Notifications true")
    host.make_spool()
    away = host.folder / "away"
    host.hooks.spool.rename(away)
    host.start()
    trouble(host, f"{host.hooks.spool}: No such file or directory")
    host.stop()
    host.wait_log("they are kept in the state file")
    host.start()
    assert "events of before are put again" in host.log()
    host.wait_log("events wait and are tried again")
    away.rename(host.hooks.spool)
    after_trouble(host)


def test_state_file_trouble(make):
    """Torn: what is whole counts. Not writable, or somebody else's: told, and it goes
    on in memory."""
    host = make(WATCH + "Notifications true").start()
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    host.notify("failure", "m", plugin="p")
    host.stop()
    with open(host.state_path, "ab") as file:
        file.write(b"group 100 0123456789abcdef\nset 5 2\nto")
    host.start()
    host.wait_log("torn at byte")
    host.value(SERIES, 1)
    assert host.wait_events("plain", 2)[-1].previous == "DOWN"
    host.stop()
    host.block += f'\nStateFile "{host.folder}/nowhere/state"'
    host.start()
    host.wait_log("/nowhere/state.lock: No such file or directory")
    host.value(SERIES, 11)
    host.value(SERIES, 1)
    host.wait_events("plain", 4)


def test_two_collectds_and_one_state_file(make):
    """The second says so, and works without."""
    first = make(WATCH).start()
    first.value(SERIES, 1)
    first.wait_state(b"UP")
    second = make(WATCH + f'StateFile "{first.state_path}"').start()
    second.wait_log("another process uses it")
    second.value(SERIES, 11)
    assert second.wait_events("plain", 1)[0].previous is None


# A flood

FLOOD, CLIENTS = 20_000, 6


def flood(host, count, clients):
    """Notifications by several connections at once; the seconds it took."""
    failures = []

    def send(client):
        connection = Connection(host.socket_path)
        try:
            for number in range(client, count, clients):
                host.notify("failure", f"n{number}", plugin=f"p{number % 100}",
                            connection=connection)
        except (AssertionError, OSError) as error:
            failures.append(error)
        connection.close()
    threads = [threading.Thread(target=send, args=(n,)) for n in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return time.monotonic() - began


def test_flood(make):
    """None is lost, none is there twice, and each series keeps its count."""
    host = make("Notifications true", writers=5).start()
    took = flood(host, FLOOD, CLIENTS)
    host.connection.ask("FLUSH plugin=write_hookspool")
    events = host.all_events()
    print(f"{FLOOD / took:.0f} notifications a second, "
          f"{len(host.hooks.files('incoming'))} files")
    assert sorted(e.message for e in events) == sorted(f"n{n}" for n in range(FLOOD))
    for series in range(100):
        failures = [e.failures for e in events if e.monitor == f"p{series}"]
        assert failures == list(range(1, FLOOD // 100 + 1))
    assert not host.hooks.files("tmp")
    host.stop()
    assert host.ours() == []


def test_flood_without_a_spool(make):
    """The disk is away: nobody waits, nothing is lost when it comes back."""
    host = make("Notifications true").start()
    away = host.folder / "away"
    shutil.rmtree(host.hooks.spool / "tmp")
    host.hooks.spool.rename(away)
    flood(host, 5000, 3)
    assert host.alive()
    away.rename(host.hooks.spool)
    host.make_spool()
    wait_for("all of them", lambda: len(host.all_events()) == 5000)


# The plugin itself

def test_exports_one_symbol_and_links_no_network():
    code = programs.run("nm", "-D", "--defined-only", PLUGIN)
    names = [line.split()[-1] for line in code.stdout.splitlines()]
    assert [n for n in names if not n.startswith("__")] == ["module_register"]
    linked = programs.run("ldd", PLUGIN).stdout
    for library in ("libcurl", "libcrypto", "libssl", "libmicrohttpd", "libhookspool"):
        assert library not in linked
    assert PLUGIN.is_file() and not PLUGIN.is_symlink()
    assert not PLUGIN.with_suffix(".la").exists()


def test_uses_only_what_5_9_to_5_12_share():
    """Of collectd's own functions."""
    theirs = programs.run("nm", "-D", "--defined-only", find_program("collectd")).stdout
    exported = {line.split()[-1] for line in theirs.splitlines()}
    ours = programs.run("nm", "-D", "--undefined-only", PLUGIN).stdout
    used = {line.split()[-1].split("@")[0] for line in ours.splitlines()} & exported
    assert used == {
        "plugin_get_interval", "plugin_log", "plugin_register_complex_config",
        "plugin_register_flush", "plugin_register_init", "plugin_register_notification",
        "plugin_register_shutdown", "plugin_register_write", "uc_get_rate"}


def headers(folder):
    """A copy of the installed headers of collectd, as a prefix."""
    shutil.copytree("/usr/include/collectd", folder / "include" / "collectd")
    return folder


def configure(folder, *options):
    build = folder / "build"
    build.mkdir()
    return subprocess.run(
        [programs.SOURCE / "configure", "-q", f"--with-collectd={folder}", *options],
        cwd=build, capture_output=True, text=True, check=False, timeout=300)


def test_configure_refuses_6_0(folder):
    """Its headers, as far as they differ for a plugin that writes."""
    path = headers(folder) / "include" / "collectd" / "core" / "daemon" / "plugin.h"
    text = path.read_text()
    changed = re.sub(r"typedef int \(\*plugin_write_cb\)\([^;]*;",
                     "struct metric_family_s;\ntypedef int (*plugin_write_cb)"
                     "(struct metric_family_s const *, user_data_t *);", text)
    assert changed != text
    path.write_text(changed)
    done = configure(folder, "--enable-collectd")
    assert done.returncode != 0
    assert "is not version 5" in done.stderr and "6.0" in done.stderr
    shutil.rmtree(folder / "build")
    done = configure(folder)
    assert done.returncode == 0, done.stderr
    assert "write_hookspool.so is left out" in done.stderr


def test_configure_without_headers(folder):
    done = configure(folder, "--enable-collectd")
    assert done.returncode != 0 and "apt install collectd-dev" in done.stderr
    shutil.rmtree(folder / "build")
    done = configure(folder, "--disable-collectd")
    assert done.returncode == 0, done.stderr


def test_found_where_collectd_looks():
    """Its own folder is named by -h, which the sample and the README rely on."""
    assert pathlib.Path(plugin_dir(), "unixsock.so").exists()
    assert os.access(find_program("collectd"), os.X_OK)
