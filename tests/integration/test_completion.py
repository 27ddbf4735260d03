# SPDX-License-Identifier: MIT
"""Completion in bash, driven as bash does it: the installed file is sourced, the words
are set and the function is called."""

import os
import re
import shlex
import subprocess

import pytest

import programs

COMPLETIONS = programs.BINDIR.parent / "share" / "bash-completion" / "completions"
CHECK = next(iter((programs.BINDIR.parent / "libexec").rglob("check_hookspool")), None)

# What bash does before it calls the function: it knows the file by the command's name.
SCRIPT = """
source "$1" || exit 1
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
function=$(complete -p "${1##*/}" | sed -E 's/.*-F ([^ ]+) .*/\\1/')
compopt() { :; }
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words, cwd="/"):
    """What is offered for the last of these words."""
    name = os.path.basename(words[0])
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", str(COMPLETIONS / name), *map(str, words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=cwd,
        timeout=60, env=programs.environment(
            {"PATH": ":".join(map(str, (programs.BINDIR, programs.SBINDIR, CHECK.parent,
                                        os.environ["PATH"])))}))
    assert done.returncode == 0 and done.stderr == "", done
    return {line for line in done.stdout.splitlines() if line}


def verbs():
    shown = programs.run(programs.CONTROL, "--help").stdout
    return set(re.findall(r"^  ([a-z][a-z-]*) ", shown, re.M))


def options(*command):
    shown = programs.run(*command, "--help").stdout
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z][a-z-]+)", shown, re.M))


def test_verbs():
    assert complete("hookspool", "") == verbs() and len(verbs()) >= 10
    assert complete("hookspool", "check") == {"check-config"}
    assert complete(programs.CONTROL, "-c", "/x", "resu") == {"resume"}
    assert complete("hookspool", "nosuch") == set()


@pytest.mark.parametrize("name", ["hookspool", "hookspoold", "hookspool-notify",
                                  "check_hookspool", "hookspool-zabbix",
                                  "hookspool-zabbix-export", "hookspool-zabbix-map"])
def test_options_are_those_of_help(name):
    path = {**{n: programs.BINDIR / n for n in (
                "hookspool-zabbix", "hookspool-zabbix-export", "hookspool-zabbix-map")},
            "hookspool": programs.CONTROL, "hookspoold": programs.DAEMON,
            "hookspool-notify": programs.NOTIFY, "check_hookspool": CHECK}[name]
    expected = options(path)
    assert "--version" in expected and complete(path, "-") == expected
    assert complete(path, "--ver") >= {"--version"}


def test_options_of_verbs():
    """Those of the verb, and those of all verbs."""
    for verb in verbs():
        expected = options(programs.CONTROL, verb) | options(programs.CONTROL)
        assert complete("hookspool", verb, "-") == expected, verb
    assert "--json" in complete("hookspool", "-c", "x", "status", "--j")


@pytest.fixture
def spool(hooks, receiver):
    """Two endpoints, one with a dead letter."""
    receiver.answer(status=400)
    hooks.endpoint("main", receiver=receiver, retries=0)
    hooks.endpoint("other.one", receiver=receiver, retries=0, events=["custom"])
    hooks.init()
    hooks.start()
    hooks.service()
    hooks.wait_journal("dead")
    return hooks


def test_endpoints_and_ids(spool):
    call = ("hookspool", "-c", spool.config)
    for verb in ("pause", "resume", "test", "move"):
        assert complete(*call, verb, "") == {"main", "other.one"}, verb
    assert complete(*call, "pause", "o") == {"other.one"}
    assert complete(*call, "move", "main", "") == {"main", "other.one"}
    (line,) = spool.journal("dead")
    for verb in ("show", "retry", "drop"):
        assert complete(*call, verb, "") == {line["id"]}, verb
        assert complete(*call, verb, line["id"], line["id"][:9]) == {line["id"]}, verb
    assert complete(*call, "show", "ffff") == set()
    for option in (("--endpoint",), ("-e",), ("--endpoint", "=")):
        assert complete(*call, "list", *option, "m") == {"main"}, option
    # By the configuration that was named, and by no other.
    assert complete("hookspool", "-c", "/nonexistent.conf", "pause", "") == set()


def test_words_of_options():
    assert complete("hookspool", "log", "--what", "de") == {"delivered", "dead"}
    assert complete("hookspool", "log", "--kind", "=", "re") == {"recovery"}
    assert {"incident", "other", "unchanged"} <= complete("hookspool", "enqueue", "--type", "")
    for option in ("--status", "--previous"):
        assert complete("hookspool", "enqueue", option, "") == {"DOWN", "UP"}, option


def test_a_daemon_that_does_not_run(spool):
    spool.daemon.stop()
    assert complete("hookspool", "-c", spool.config, "pause", "m") == {"main"}


def test_files(folder):
    (folder / "one two.conf").touch()
    (folder / "other").mkdir()
    for words in (("hookspool", "-c", "o"), ("hookspoold", "--config", "o"),
                  ("hookspoold", "--config", "=", "o"), ("hookspool-notify", "-c", "o"),
                  ("hookspool", "status", "-o", "o"), ("check_hookspool", "--config", "o")):
        assert complete(*words, cwd=folder) == {"one two.conf", "other"}, words
    assert complete("hookspoold", "--config", "=", cwd=folder) == {"one two.conf", "other"}
    assert complete("hookspool-notify", "-s", "o", cwd=folder) == {"other"}
    # What is typed is only looked at, never run.
    (folder / "evil").mkdir()
    words = "$(touch evil/file)", "`touch evil/file`", "a; touch evil/file"
    for word in words:
        complete("hookspool", "-c", word, "pause", word, cwd=folder)
        complete("hookspool", word, "", cwd=folder)
    assert not os.listdir(folder / "evil"), shlex.join(words)


def test_notify():
    assert complete("hookspool-notify", "") == {"host", "service"}
    assert "SERVICEDESC=" in complete("hookspool-notify", "service", "")
    assert complete("hookspool-notify", "--dry-run", "host", "HOSTS") == {"HOSTSTATE="}


def test_check(spool):
    offered = complete("check_hookspool", "-w", "")
    assert {"pending=", "age=", "dead="} <= offered
    assert complete("check_hookspool", "--config", spool.config, "-e", "") == {
        "main", "other.one"}
