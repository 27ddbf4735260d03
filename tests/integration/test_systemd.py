# SPDX-License-Identifier: MIT
"""Under systemd: the unit, what it forbids, and the daemon within that; users, folders,
logrotate. None of it needs a running systemd: its own tools check the files, and the
restrictions are laid on the daemon by the tests."""

import os
import re
import shutil
import subprocess
import time

import pytest

import programs
import strace
import units
from checks import check_exactly
from spool import wait_for

ACCOUNT = 2001
SBIN = os.environ["PATH"] + ":/usr/sbin:/sbin"
PREFIX = programs.BINDIR.parent  # within the stage


def tool(*args, **env):
    return subprocess.run(list(map(str, args)), stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PATH": SBIN, **env})


def prefixed(path):
    return str(path).removeprefix(str(programs.STAGE))


def staged(folder, name):
    """A unit with the programs where they are staged."""
    text = (units.UNIT.parent / name).read_text(encoding="utf-8")
    for where in (programs.BINDIR, programs.SBINDIR):
        text = text.replace(f"={prefixed(where)}/", f"={where}/")
    made = folder / name
    made.write_text(text, encoding="utf-8")
    return made


@pytest.fixture
def unit(folder):
    return staged(folder, units.UNIT.name)


def test_systemd_accepts_all_units(folder):
    paths = [staged(folder, path.name) for path in units.UNIT.parent.iterdir()]
    assert len(paths) == 6 and str(programs.DAEMON) in (folder / units.UNIT.name).read_text()
    done = tool("systemd-analyze", "verify", *paths, MANPATH=str(PREFIX / "share" / "man"))
    assert done.returncode == 0 and done.stderr == "" and done.stdout == "", done


@pytest.mark.parametrize("name", [units.UNIT.name, "hookspool-prometheus.service",
                                  "hookspool-zabbix-export.service",
                                  "hookspool-zabbix-map.service"])
def test_exposure(folder, name):
    done = tool("systemd-analyze", "security", "--offline=yes", staged(folder, name))
    found = re.search(rf"Overall exposure level for {name}: ([\d.]+) ", done.stdout)
    assert found and float(found.group(1)) <= 2.0, done.stdout


def test_the_commented_lines_are_good_too(unit):
    """WatchdogSec, LoadCredential and so on, as somebody would uncomment them."""
    text, count = re.subn(r"(?m)^#([A-Z]\w+=)", r"\1", unit.read_text(encoding="utf-8"))
    assert count >= 6
    unit.write_text(text.replace(prefixed(programs.BINDIR), str(programs.BINDIR)),
                    encoding="utf-8")
    done = tool("systemd-analyze", "verify", "--man=no", unit)
    assert done.returncode == 0 and done.stderr == "", done


def test_it_never_gives_up(unit):
    found = dict(units.settings(unit))
    assert found["Restart"] == "on-failure" and found["StartLimitIntervalSec"] == "0"
    assert int(found["TimeoutStopSec"]) > 10


# What the unit forbids, and what the daemon does.

def be_busy(hooks, make_receiver, authority, init=(), wrapped=False, **options):
    """A daemon that does all that it can do: several endpoints, TLS and a name to look
    up, batches, dead letters, a full journal, a reload, whatever hookspool asks of it. Not
    `wrapped`: what was put before its command has become the daemon."""
    ca_file = hooks.folder / "ca.pem"
    shutil.copy(authority.cert, ca_file)
    ca_file.chmod(0o644)
    certificate = authority.issue(f"busy-{time.monotonic_ns()}")
    plain, secure, bad = make_receiver(), make_receiver(certificate=certificate), \
        make_receiver()
    bad.answer(status=400)
    hooks.top.update(journal_max="64K", log=hooks.folder / "log" / "hookspoold.log")
    hooks.endpoint("plain", receiver=plain, standard_webhooks=True)
    hooks.endpoint("secure", url=secure.url(host="localhost"), ca_file=ca_file,
                   source_address="lo", rate_limit="1000/s")
    hooks.endpoint("bad", receiver=bad, retries=0, max_dead=20)
    hooks.init(*init)
    hooks.start(**options).wrapped = wrapped
    ids = hooks.generate(200, monitors=20, batch=50)
    for number in range(10):
        hooks.service(host=f"web-{number}")
    for verb in ("pause", "resume"):
        assert hooks.control(verb, "plain").returncode == 0
    hooks.write()
    assert hooks.control("reload").returncode == 0
    hooks.wait_settled(timeout=120)
    wait_for("the reload", lambda: "reloaded" in (
        hooks.folder / "log" / "hookspoold.log").read_text(encoding="utf-8"))
    for receiver in (plain, secure):
        assert {r.id for r in receiver.accepted()} >= set(ids)
    wait_for("the newest dead letters only", lambda: len(hooks.dead("bad")) == 20)
    assert os.path.exists(f"{hooks.journal_path}.1")
    for verb in (["test", "secure"], ["retry", "--dead", "--endpoint", "bad"]):
        done = hooks.control(*verb)
        assert done.returncode == 0, done
    wait_for("dead letters again", lambda: len(hooks.dead("bad")) == 20)
    done = hooks.control("drop", "--dead", "--endpoint", "bad", "--yes")
    assert done.returncode == 0 and hooks.dead("bad") == [], done


PERMITTED_FAMILIES = "AF_UNIX AF_INET AF_INET6 AF_NETLINK"


@pytest.mark.slow
@pytest.mark.skipif(programs.SANITIZED, reason="sanitizers make calls of their own")
def test_every_system_call_is_allowed(hooks, make_receiver, authority):
    """And no call has arguments that the unit forbids: other address families, memory
    that can be written and run, setgid files, namespaces."""
    log = hooks.folder / "strace.log"
    be_busy(hooks, make_receiver, authority, wrapped=True,
            wrap=["strace", "-f", "-o", log])
    hooks.daemon.stop_child()
    calls = strace.read(log)
    made = {call.name for call in calls}
    assert {"sendto", "fsync", "inotify_init1", "fallocate", "renameat", "linkat",
            "signalfd4", "accept4", "clone3", "fchmod", "socket"} <= made, made
    # The command itself is strace's doing, and of the unit's before the filter is on.
    assert made - units.allowed_calls() == set()
    assert units.values("RestrictAddressFamilies") == [PERMITTED_FAMILIES]
    for call in calls:
        if call.name == "socket":
            family = re.match(r"\((\w+)", call.text).group(1)
            assert family in PERMITTED_FAMILIES.split(), call
        elif call.name in ("mmap", "mprotect"):
            assert not ("PROT_WRITE" in call.text and "PROT_EXEC" in call.text), call
            assert call.name == "mmap" or "PROT_EXEC" not in call.text, call
        elif call.name in ("chmod", "fchmod", "fchmodat", "mkdir", "mkdirat", "openat"):
            assert not re.search(r", 0[2-7]\d{3}\b", call.text), call
        elif call.name.startswith("clone"):
            assert "CLONE_NEW" not in call.text, call


@pytest.mark.slow
@pytest.mark.skipif(programs.SANITIZED, reason="sanitizers make calls of their own")
def test_it_works_within_the_filter(hooks, make_receiver, authority):
    """The filter itself, loaded before the daemon starts."""
    be_busy(hooks, make_receiver, authority, preexec=units.Filter().load)
    with open(f"/proc/{hooks.daemon.process.pid}/status", encoding="ascii") as file:
        assert "Seccomp:\t2" in file.read()
    hooks.daemon.stop()


def test_the_filter_filters():
    """What the test above rests on: a call that is not in the list fails."""
    script = "import os\ntry: os.chroot('/')\nexcept PermissionError: print('refused')"
    done = subprocess.run(["/usr/bin/python3", "-c", script], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False,
                          preexec_fn=units.Filter().load)
    assert done.stdout == "refused\n", done


@pytest.mark.root("makes a mount namespace and becomes another user")
def test_it_works_on_a_system_that_it_cannot_change(hooks, make_receiver, authority):
    """All mounts read-only but spool and log, no capability, no new privilege, a user of
    its own: ProtectSystem, User, CapabilityBoundingSet, NoNewPrivileges."""
    log = hooks.folder / "log"
    log.mkdir()
    hooks.spool.mkdir()
    script = ('for d in "$0" "$1"; do mount --bind "$d" "$d" || exit 99; done; '
              'mount -o remount,bind,ro / || exit 99; shift; '
              'touch /hookspool-test 2>/dev/null && exit 98; '
              f'exec setpriv --reuid={ACCOUNT} --regid={ACCOUNT} --clear-groups '
              '--inh-caps=-all --bounding-set=-all --no-new-privs "$@"')
    os.chown(hooks.secret, ACCOUNT, ACCOUNT)
    os.chown(log, ACCOUNT, ACCOUNT)
    wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, hooks.spool,
            log]
    be_busy(hooks, make_receiver, authority, wrap=wrap,
            init=("--user", str(ACCOUNT), "--group", str(ACCOUNT)))
    with open(f"/proc/{hooks.daemon.process.pid}/status", encoding="ascii") as file:
        status = file.read()
    assert "NoNewPrivs:\t1" in status and re.search(r"CapBnd:\s+0+\n", status)
    hooks.daemon.stop()


def test_a_secret_from_a_credential(hooks, receiver):
    """A name without a folder is looked for where LoadCredential= puts it."""
    store = hooks.folder / "credentials"
    store.mkdir()
    hooks.secret.rename(store / "statuspage.secret")
    hooks.endpoint(receiver=receiver, secret_file="statuspage.secret").init()
    hooks.start(env={"CREDENTIALS_DIRECTORY": str(store)})
    hooks.service()
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1


# Users and folders.

def test_sysusers(folder):
    (folder / "etc").mkdir()
    done = tool("systemd-sysusers", f"--root={folder}",
                programs.LIBDIR / "sysusers.d" / "hookspool.conf")
    assert done.returncode == 0, done
    (line,) = [n for n in (folder / "etc" / "passwd").read_text().splitlines()
               if n.startswith("hookspool:")]
    assert line.split(":")[5].endswith("/spool/hookspool") and "nologin" in line
    assert "\nhookspool:" in "\n" + (folder / "etc" / "group").read_text()


def modes(top):
    """{path: (mode, owner, group)} of the folders below."""
    found = {}
    for where, _, _ in os.walk(top):
        info = os.stat(where)
        found[os.path.relpath(where, top)] = (oct(info.st_mode & 0o7777), info.st_uid,
                                              info.st_gid)
    return found


@pytest.mark.root("makes folders of another user")
def test_tmpfiles_does_what_init_does(hooks):
    """Modes and owners of the spool and of the journal's folder."""
    root = hooks.folder / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text(
        f"root:x:0:0::/:/bin/sh\nhookspool:x:{ACCOUNT}:{ACCOUNT}::/:/bin/false\n")
    (root / "etc" / "group").write_text(f"root:x:0:\nhookspool:x:{ACCOUNT}:\n")
    rules = programs.LIBDIR / "tmpfiles.d" / "hookspool.conf"
    spool, log = (re.search(rf"(?m)^d (\S+/{name}) ", rules.read_text()).group(1)
                  for name in ("spool/hookspool", "log/hookspool"))
    for _ in range(2):  # a second time changes nothing
        done = tool("systemd-tmpfiles", f"--root={root}", "--create", rules)
        assert done.returncode == 0 and done.stderr == "", done

    hooks.endpoint(url="https://hooks.example.com/")
    hooks.init("--user", str(ACCOUNT), "--group", str(ACCOUNT))
    made = modes(f"{root}{spool}")
    assert made == modes(hooks.spool) and len(made) == 8
    assert modes(f"{root}{log}") == modes(hooks.folder / "log")
    endpoints = next((root / "usr").rglob("endpoints.d"), None) or \
        next((root / "etc").rglob("endpoints.d"))
    assert modes(endpoints) == {".": ("0o700", ACCOUNT, ACCOUNT)}
    # Nothing in them is removed by age.
    done = tool("systemd-tmpfiles", f"--root={root}", "--clean", rules)
    assert done.returncode == 0 and modes(f"{root}{spool}") == made


def test_logrotate(hooks, receiver):
    """The installed rules, with the folder and a user of this test: no line of the
    journal is lost, no signal is sent."""
    text = (PREFIX / "etc" / "logrotate.d" / "hookspool").read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^/\S+/log/hookspool/", f"{hooks.folder}/log/", text)
    assert count == 2
    text = text.replace("su hookspool hookspool",
                        "su root root" if programs.IS_ROOT else "")
    text = text.replace("create 0640 hookspool hookspool", "create 0640")
    rules = hooks.folder / "rotate.conf"
    rules.write_text(text, encoding="utf-8")
    hooks.top["log"] = hooks.folder / "log" / "hookspoold.log"
    hooks.endpoint(receiver=receiver).init()
    hooks.start()
    ids = []
    for number in range(4):
        ids += hooks.generate(10, monitors=10, prefix=f"round{number}")
        hooks.wait_settled()
        done = tool("logrotate", "-f", "-s", hooks.folder / "state", rules)
        assert done.returncode == 0 and not done.stderr, done
    check_exactly(receiver.accepted(), ids)
    lines = 0
    for path in hooks.journal_path.parent.glob("delivery.jsonl*"):
        # delaycompress: the newest two are plain.
        shown = tool("gzip", "-dcf", path)
        lines += shown.stdout.count('"what":"delivered"')
        assert path.stat().st_mode & 0o7777 == 0o640
    assert lines == len(ids)
    assert os.path.exists(f"{hooks.journal_path}.4.gz")
