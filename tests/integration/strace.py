# SPDX-License-Identifier: MIT
"""Read what strace saw and keep account of what a power cut could still take away: a
written file until its fsync, a changed folder until its own."""

import re

CALLS = ("openat", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
         "mkdir", "mkdirat", "write", "pwrite64", "writev", "ftruncate", "fsync",
         "fdatasync", "syncfs", "sync", "sendto", "sendmsg", "close")
LINE = re.compile(r"^(\d+) +(.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
FD = re.compile(r"(?:\d+|AT_FDCWD)<([^>]*)>")
NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')


def command(log):
    """What to put before a program: all threads, paths of descriptors, whole names."""
    return ["strace", "-f", "-y", "-s", "4096", "-o", log, "-e",
            "trace=" + ",".join("?" + call for call in CALLS)]


class Call:
    """One system call: `name`, `text` (arguments and result), and between which lines of
    the log it ran."""

    def __init__(self, pid, name, text, start):
        self.pid, self.name, self.text = pid, name, text
        self.start, self.end = start, None

    @property
    def failed(self):
        return " = -1 " in self.text

    def descriptors(self):
        return FD.findall(self.text.rsplit(" = ", 1)[0])

    def names(self):
        return NAME.findall(self.text)

    def paths(self):
        """The full paths of its (descriptor, name) arguments."""
        pairs = re.findall(r'(?:\d+|AT_FDCWD)<([^>]*)>, "((?:[^"\\]|\\.)*)"', self.text)
        if pairs:
            return [n if n.startswith("/") else f"{d}/{n}" for d, n in pairs]
        return [n for n in self.names() if n.startswith("/")]

    def __repr__(self):
        return f"{self.pid} {self.name}{self.text}"[:300]


def read(log):
    """The calls of a log, in the order of their start."""
    calls, open_calls = [], {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            pid, rest = match.groups()
            resumed = RESUMED.match(rest)
            if resumed:
                call = open_calls.pop((pid, resumed.group(1)), None)
                if call:
                    call.text += resumed.group(2)
                    call.end = number
                continue
            name, bracket, text = rest.partition("(")
            if not bracket or not name.isidentifier():
                continue
            call = Call(pid, name, "(" + text, number)
            if text.endswith("<unfinished ...>"):
                open_calls[(pid, name)] = call
            else:
                call.end = number
            calls.append(call)
    return calls


def is_post(call):
    return call.name in ("sendto", "sendmsg", "write", "writev") and '"POST /' in call.text


def folder_of(path):
    return path.rpartition("/")[0]


class Disk:
    """What is not yet durable below `top` while the calls go by."""

    def __init__(self, top):
        self.top = str(top)
        self.folders = {}  # path: start of the last change
        self.files = {}

    def changed(self, path, line):
        if path.startswith(self.top):
            self.folders[folder_of(path)] = line

    def apply(self, call):
        if call.failed:
            return
        if call.name == "openat" and "O_CREAT" in call.text:
            for path in call.paths():
                self.changed(path, call.start)
        elif call.name.startswith(("rename", "link", "unlink", "mkdir")):
            paths = call.paths()
            for path in paths:
                self.changed(path, call.start)
            if call.name.startswith("rename") and paths[0] in self.files:
                self.files[paths[-1]] = self.files.pop(paths[0])
            if call.name.startswith("unlink"):
                self.files.pop(paths[0], None)
        elif call.name in ("write", "pwrite64", "writev", "ftruncate"):
            path = call.descriptors()[0]
            if path.startswith(self.top):
                self.files[path] = call.start
        elif call.name in ("fsync", "fdatasync"):
            self.settle(call.descriptors()[0], call.start)
        elif call.name in ("syncfs", "sync"):
            for path in [*self.folders, *self.files]:
                self.settle(path, call.start)

    def settle(self, path, line):
        """What was done before the fsync began is durable after it."""
        for pending in (self.folders, self.files):
            if pending.get(path, line) < line:
                del pending[path]

    def pending(self, *below):
        """Paths below these folders of the top that a power cut now could undo."""
        prefixes = tuple(f"{self.top}/{name}" for name in below)
        return [p for p in [*self.folders, *self.files] if p.startswith(prefixes)]
