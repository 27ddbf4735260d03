# SPDX-License-Identifier: MIT
"""A spool that cannot be used: the exact message, the exact exit status, nothing half
written."""

import os
import shutil
import subprocess

import pytest

import programs

NOBODY = 65534
AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def refused(hooks, status, *words, **options):
    """hookspool-notify must fail so, with one line that holds these words."""
    done = programs.run(
        programs.NOTIFY, "-c", hooks.config, "service", "NOTIFICATIONTYPE=PROBLEM",
        "HOSTNAME=web-01", "SERVICEDESC=API", "SERVICESTATE=CRITICAL",
        "SERVICEOUTPUT=out", **options)
    assert done.returncode == status, done
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert done.stderr.startswith("hookspool-notify: ")
    for word in words:
        assert str(word) in done.stderr, done.stderr
    return done


@pytest.fixture
def ready(hooks):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    yield hooks
    for where, folders, _ in os.walk(hooks.folder):
        for name in folders:
            os.chmod(os.path.join(where, name), 0o700)


def test_missing(hooks):
    hooks.write()
    refused(hooks, 73, hooks.spool, "hookspool init")
    assert not hooks.spool.exists()


def test_own_folder_needs_no_init(hooks):
    """Where spool_dir is the adapter's own its folders are made."""
    hooks.write()
    hooks.spool.mkdir()
    hooks.service()
    assert len(hooks.files("incoming")) == 1 and not hooks.files("tmp")
    assert (hooks.spool / "incoming").stat().st_mode & 0o7777 == 0o3770


@pytest.mark.parametrize("name", ["incoming", "tmp"])
@pytest.mark.parametrize("what", ["file", "fifo", "dangling", "link"])
def test_something_else_where_a_folder_should_be(ready, name, what):
    path, elsewhere = ready.spool / name, ready.folder / "elsewhere"
    path.rmdir()
    elsewhere.mkdir()
    {"file": path.touch, "fifo": lambda: os.mkfifo(path),
     "dangling": lambda: path.symlink_to("nowhere"),
     "link": lambda: path.symlink_to(elsewhere)}[what]()
    refused(ready, 73, path)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["incoming", "tmp"])
def test_folder_is_missing(ready, name):
    """Root runs this, and so owns the spool: the folder is simply made again."""
    (ready.spool / name).rmdir()
    ready.service()
    assert len(ready.files("incoming")) == 1


@pytest.mark.root("acts as another user")
@pytest.mark.parametrize("name", ["incoming", "tmp"])
def test_folder_is_missing_in_another_s_spool(ready, name):
    for other in ("incoming", "tmp"):
        os.chown(ready.spool / other, -1, NOBODY)
        (ready.spool / other).chmod(0o3770)
    (ready.spool / name).rmdir()
    ready.spool.chmod(0o755)
    refused(ready, 73, ready.spool / name, "hookspool init", **AS_NOBODY)


@pytest.mark.root("acts as another user")
def test_not_a_member(ready):
    """Nobody is not in the group: permission denied, by name."""
    ready.spool.chmod(0o755)
    refused(ready, 73, ready.spool, "ermission denied", **AS_NOBODY)


@pytest.mark.root("changes owners")
@pytest.mark.parametrize("name", ["incoming", "tmp"])
def test_folder_of_the_wrong_owner(ready, name):
    os.chown(ready.spool / name, NOBODY, NOBODY)
    refused(ready, 73, ready.spool / name, f"uid {NOBODY}", "hookspool init")


@pytest.mark.root("acts as other users")
def test_members_and_a_stranger(ready):
    """Two members may add; neither removes or changes the other's file, nor reads what
    is the daemon's; a stranger may nothing."""
    group = 54321
    for path in (ready.spool, ready.spool / "incoming", ready.spool / "tmp"):
        mode = path.stat().st_mode & 0o7777
        os.chown(path, -1, group)
        path.chmod(mode)
    ready.start()
    ready.daemon.stop()
    first = {"user": 1001, "group": 1001, "extra_groups": [group]}
    second = {"user": 1002, "group": 1002, "extra_groups": [group]}
    ready.notify("host", "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=h", "HOSTSTATE=DOWN",
                 **first)
    (name,) = ready.files("incoming")
    path = ready.spool / name
    assert path.stat().st_uid == 1001 and path.stat().st_gid == group
    assert path.stat().st_mode & 0o7777 == 0o640

    def sh(command, who):
        return subprocess.run(["sh", "-c", command], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, **who).returncode

    assert sh(f"ls {ready.spool}/incoming", second) == 0
    assert sh(f"rm -f {path}", second) != 0 and path.exists()
    assert sh(f"mv {path} {path}2", second) != 0
    assert sh(f"echo x >> {path}", second) != 0
    ready.notify("host", "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=h2", "HOSTSTATE=DOWN",
                 **second)
    assert len(ready.files("incoming")) == 2
    for folder in ("queue", "dead", "corrupt", "state"):
        assert sh(f"ls {ready.spool}/{folder}", first) != 0
    refused(ready, 73, ready.spool, user=1003, group=1003, extra_groups=[])


@pytest.mark.root("umask of another user's process")
@pytest.mark.parametrize("umask", [0o000, 0o007, 0o077, 0o777])
def test_umask_does_not_matter(ready, umask):
    ready.service()
    ready.notify("host", "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=h", "HOSTSTATE=DOWN",
                 umask=umask)
    modes = {(ready.spool / f).stat().st_mode & 0o7777 for f in ready.files("incoming")}
    assert modes == {0o640}


@pytest.mark.parametrize("args, status", [
    (["service"], 65), ([], 64), (["nonsense"], 64), (["--nonsense", "service"], 64),
    (["service", "no equals sign"], 64), (["host", "HOSTSTATE=DOWN"], 65),
    (["-s", "relative", "host", "HOSTNAME=h", "HOSTSTATE=DOWN",
      "NOTIFICATIONTYPE=PROBLEM"], 78)])
def test_wrong_calls(ready, args, status):
    done = ready.notify(*args, check=False)
    assert done.returncode == status and len(done.stderr.splitlines()) >= 1, done
    assert ready.files("incoming", "tmp") == []


def test_daemon_needs_a_usable_spool(hooks):
    """A file where the spool should be; 73 and the path."""
    hooks.endpoint(url="http://127.0.0.1:9/").write()
    hooks.spool.touch()
    done = programs.run(programs.DAEMON, "-c", hooks.config)
    assert done.returncode == 73 and str(hooks.spool) in done.stderr, done


@pytest.mark.parametrize("name", ["incoming", "tmp", "queue", "dead", "corrupt", "state"])
def test_daemon_finds_a_file_where_a_folder_should_be(ready, name):
    path = ready.spool / name
    shutil.rmtree(path, ignore_errors=True)
    path.touch()
    done = programs.run(programs.DAEMON, "-c", ready.config)
    assert done.returncode == 73 and str(path) in done.stderr, done


def test_init_is_safe_to_repeat(ready):
    ready.service()
    modes = {name: (ready.spool / name).stat().st_mode for name in os.listdir(ready.spool)}
    ready.init()
    assert modes == {n: (ready.spool / n).stat().st_mode for n in os.listdir(ready.spool)}
    assert len(ready.files("incoming")) == 1
    assert modes["incoming"] & 0o7777 == 0o3770 == modes["tmp"] & 0o7777


def test_dry_run_writes_nothing(ready):
    done = ready.service(options=("--dry-run",))
    assert done.stdout.startswith("hookspool 1\n") and '"monitor_alert"' in done.stdout
    assert ready.files("incoming", "tmp") == []
