# SPDX-License-Identifier: MIT
"""The real Zabbix server with zbx_hookspool.so in it, four history syncers, and a map that
tests write themselves."""

import os

import programs
from hosts import read_events
from receiver import Receiver
from spool import wait_for
from zabbix import MODULE_DIR, Zabbix

MODULE = MODULE_DIR / "zbx_hookspool.so"


class ModuleZabbix(Zabbix):
    def __init__(self):
        super().__init__()
        self.map_dir = self.make_folder("work/map")
        self.env["HOOKSPOOL_ZABBIX_DIR"] = str(self.map_dir)
        self.server_conf["LoadModule"] = MODULE.name

    def write_map(self, *items):
        """Items as (itemid, {word: value}); host and service have defaults."""
        lines = ["hookspool-zabbix-map 1"]
        for itemid, words in items:
            words = {"host": f"h{itemid}", "service": "status", "up": ">0", **words}
            lines += [f"item {itemid}", *[f"{word} {value}" for word, value in words.items()]]
        lines += [f"end {len(items)}", ""]
        new = self.map_dir / ".new"
        new.write_text("\n".join(lines), encoding="utf-8")
        os.chown(new, self.user.pw_uid, self.user.pw_gid)
        new.rename(self.map_dir / "items.map")

    def use_map(self, *items):
        """Write the map and wait until the running server has it. Something has to happen
        for it to look: values of an item that nobody maps."""
        before = self.log().count("items are monitors")
        self.write_map(*items)

        def taken():
            self.send(("pulse", "pulse", 1))
            return self.log().count("items are monitors") > before
        wait_for("the map is read", taken, pause=0.2)

    def start(self, agent=False):
        """A server needs a map to begin with, or it hands over nothing."""
        if not (self.map_dir / "items.map").exists():
            self.write_map((1, {}))
        super().start(agent)
        self.make_item(self.make_host("pulse"), "pulse")
        self.reload_cache()

    def start_daemon(self):
        """hookspoold with an endpoint "main", and the group that may read its status."""
        if self.receiver is None:
            self.receiver = Receiver().up()
            self.hooks.endpoint("main", receiver=self.receiver).write()
        return self.hooks.start(preexec=self.take_group if programs.IS_ROOT else None)

    def take_group(self):
        os.setgid(self.user.pw_gid)

    def mapped(self):
        """All events of the spool, by host, in the order of hookspoold; an id that is there
        twice is one event for it."""
        found = {}
        for path in sorted((self.hooks.spool / "incoming").iterdir()):
            for event in read_events(path):
                found.setdefault(event.all["host"], {})[event.id] = event
        return {host: sorted(events.values(), key=order) for host, events in found.items()}

    def edges(self, itemid):
        return [event.state for event in self.mapped().get(f"h{itemid}", [])]

    def wait_edges(self, itemid, expected, **options):
        """Until the item has these, as "DUD"."""
        states = [{"D": "DOWN", "U": "UP"}[letter] for letter in expected]
        try:
            return wait_for(f"edges {expected} of item {itemid}",
                            lambda: self.alive() and self.edges(itemid) == states,
                            pause=0.05, **options)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.edges(itemid)}") from None

    def synced(self, count):
        """Wait until the database has so many values more than this said before."""
        def values():
            return sum(int(self.database.sql(f"select count(*) from {table}")[0][0])
                       for table in ("history", "history_uint", "history_str",
                                     "history_text", "history_log"))
        wait_for(f"{count} values in the database", lambda: values() >= count, timeout=120,
                 pause=0.2)
        return values()


def order(event):
    return event.all.get("time", 0), event.all.get("sequence", 0), event.id


def truth(values):
    """The edges of values in order, which begin at UP."""
    edges, was = [], True
    for value in values:
        if bool(value) != was:
            edges.append("UP" if value else "DOWN")
        was = bool(value)
    return edges


def stage_needs():
    """What the module wants from others: (libraries, undefined symbols, its own)."""
    dynamic = programs.run("readelf", "-d", "-W", MODULE).stdout
    libraries = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines()
                 if "(NEEDED)" in line}
    return libraries, symbols(MODULE, "--undefined-only"), symbols(MODULE, "--defined-only")


def symbols(path, which):
    done = programs.run("nm", "-D", which, path)
    return {line.split()[-1].split("@")[0] for line in done.stdout.splitlines() if line}
