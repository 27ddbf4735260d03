# SPDX-License-Identifier: MIT
"""write_hookspool built with AddressSanitizer and with ThreadSanitizer, inside the real
collectd with five writers and several connections. A report ends collectd with a status
of its own, and stands in its output."""

import shutil
import subprocess
import threading

import pytest

import programs
from collectd import Collectd, Connection
from spool import wait_for

KINDS = {
    "address": ("address,undefined", "libasan.so"),
    "thread": ("thread", "libtsan.so"),
}
OPTIONS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "exitcode=98:report_signal_unsafe=0",
}
COLLECTD = "/usr/include/collectd"
BLOCK = """
  Notifications true
  <Monitor "all">
    Plugin "exec"
    Type "gauge"
    FailureMax 10
    Timeout 1
    Repeat 1
    NotifyAt 1 3
    ResponseTime "exec-a/delay"
    StatusCode "exec-a/gauge"
  </Monitor>
  <Monitor "noted">
    Source "notifications"
    Host "/^web/"
    Plugin "noted"
  </Monitor>
"""


def flags(name, kind):
    done = programs.run("pkg-config", kind, *name)
    return done.stdout.split()


def build(folder, kind):
    """The plugin with everything that it is made of, in one go."""
    source, objects = programs.SOURCE, []
    library = [p for p in (source / "core").glob("*.c")
               if p.name not in ("hookspool.c", "hookspoold.c")]
    common = ["gcc", "-std=gnu11", "-O1", "-g", "-fPIC", "-fno-omit-frame-pointer",
              "-fvisibility=hidden", f"-fsanitize={KINDS[kind][0]}", f"-I{source}/core",
              f"-I{source}/plugins/collectd", "-DHAVE_CONFIG_H"]
    ours = [f"-I{programs.BUILD}", *flags(("json-c", "libconfuse"), "--cflags"),
            '-DHSP_DEFAULT_SPOOL_DIR="/nonexistent"', '-DHSP_DEFAULT_CONFIG="/nonexistent"',
            '-DHSP_DEFAULT_JOURNAL="/nonexistent"']
    theirs = ["-isystem", COLLECTD, "-isystem", f"{COLLECTD}/core", "-isystem",
              f"{COLLECTD}/core/daemon"]
    running = []
    for path in library + sorted((source / "plugins" / "collectd").glob("*.c")):
        objects.append(folder / f"{path.stem}.o")
        more = theirs if path.name == "write_hookspool.c" else ours
        running.append(subprocess.Popen([*common, *more, "-c", path, "-o", objects[-1]]))
        if len(running) == 2:
            assert running.pop(0).wait() == 0
    assert all(process.wait() == 0 for process in running)
    plugin = folder / "write_hookspool.so"
    subprocess.run(["gcc", "-shared", f"-fsanitize={KINDS[kind][0]}", "-o", plugin,
                    *objects, *flags(("json-c", "libconfuse"), "--libs"), "-lm"],
                   check=True)
    return plugin


def runtime(kind):
    """The sanitizer's library, which has to be loaded before collectd."""
    done = programs.run("gcc", f"-print-file-name={KINDS[kind][1]}")
    return done.stdout.strip()


def talk(host, client, failures):
    """What one connection sends: values that change, some late, and notifications."""
    connection = Connection(host.socket_path)
    try:
        for number in range(150):
            name = f"web{number % 3}"
            value = 99 if number // 15 % 2 else 1
            connection.ask(f'PUTVAL "{name}/exec-a/delay" interval=1 N:0.{number:03}')
            connection.ask(f'PUTVAL "{name}/exec-a/gauge" interval=1 N:{value}')
            connection.ask(f'PUTVAL "{name}/exec-a/gauge" interval=1 1000:5')
            connection.ask(f'PUTVAL "{name}/exec-b/gauge" interval=1 N:U')
            connection.ask(f'PUTVAL "{name}/other-a/gauge-{number}" interval=1 N:1')
            host.notify("failure" if number % 4 else "okay", f"n{number}",
                        connection=connection, host=name,
                        plugin="noted" if number % 2 else f"p{client}")
    except (AssertionError, OSError) as error:
        failures.append(error)
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_clean(folder, kind):
    if programs.SANITIZED:
        pytest.skip("everything is built with a sanitizer already")
    host = Collectd(BLOCK, plugin=build(folder, kind), writers=5,
                    env={"LD_PRELOAD": runtime(kind), **OPTIONS})
    failures = []
    try:
        host.start()
        threads = [threading.Thread(target=talk, args=(host, n, failures))
                   for n in range(5)]
        for thread in threads:
            thread.start()
        host.connection.ask("FLUSH")
        for thread in threads:
            thread.join()
        assert not failures, (failures[:2], host.output()[-6000:])
        wait_for("the end of a timeout", lambda: any(
            "no value for" in (e.message or "") for e in host.events("all@web1")))
        shutil.rmtree(host.hooks.spool / "tmp")
        host.notify("failure", "while it is away", plugin="away")
        host.wait_log("No such file or directory")
        host.make_spool()
        host.wait_events("away", 1)
        host.stop()
        assert "Sanitizer" not in host.output(), host.output()[-6000:]
        assert "runtime error" not in host.output(), host.output()[-6000:]
    finally:
        host.close()
