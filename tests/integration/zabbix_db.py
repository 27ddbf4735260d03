# SPDX-License-Identifier: MIT
"""A PostgreSQL cluster with Zabbix's database, which one Zabbix of the tests has for
itself. Importing schema, images and data takes half a minute, so it is done once a build:
the cluster that comes of it is kept below $HOOKSPOOL_BUILD/tests, never started again, and
each Database is a copy of it. No TCP: a Unix socket in a folder of its own. Nothing here
is meant to survive a power cut."""

import fcntl
import gzip
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import programs
from spool import wait_for

NAME = "zabbix"  # of the database, and of its owner, who is the cluster's superuser
SQL = pathlib.Path("/usr/share/zabbix-server-pgsql")
PORT = 5432  # names the socket only
CONF = """
listen_addresses = ''
unix_socket_permissions = 0700
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 8MB
max_wal_size = 64MB
max_connections = 60
shared_buffers = 64MB
timezone = 'UTC'
"""


def postgres_bin():
    """The newest PostgreSQL's programs."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                   key=lambda path: float(path.parts[-3]))
    assert found, "postgresql is not installed"
    return found[-1].parent


def as_user(user):
    """Options of subprocess that run a program as `user`, where the tests run as root."""
    if not programs.IS_ROOT:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Database:
    """A running cluster below `folder`, owned by `user`."""

    def __init__(self, folder, user, filled=True):
        self.folder, self.user = folder, user
        self.data = folder / "data"
        self.socket_dir = folder
        self.log_path = folder / "postgres.log"
        self.process = None
        folder.mkdir(mode=0o700)
        if programs.IS_ROOT:
            os.chown(folder, user.pw_uid, user.pw_gid)
        if filled:
            copy_tree(kept_cluster(user), self.data)
        else:
            self.run("initdb", "-U", NAME, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                     "--no-sync", "--wal-segsize=4", "-D", self.data)
            with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
                conf.write(CONF)

    def run(self, name, *args, **options):
        done = subprocess.run(
            [str(postgres_bin() / name), *map(str, args)], check=False, cwd="/", **options,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"LC_ALL": "C.UTF-8"},
            timeout=300, **as_user(self.user))
        assert done.returncode == 0, (name, done.stdout[-2000:])
        return done.stdout.decode()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(postgres_bin() / "postgres"), "-D", str(self.data),
                 "-k", str(self.socket_dir), "-p", str(PORT)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env={"LC_ALL": "C.UTF-8"}, start_new_session=True, **as_user(self.user))
        wait_for("PostgreSQL answers", self.answers, pause=0.05)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log_path.read_text()[-2000:]
        return subprocess.run(
            [str(postgres_bin() / "pg_isready"), "-q", "-h", str(self.socket_dir),
             "-p", str(PORT)], check=False, **as_user(self.user)).returncode == 0

    def stop(self):
        """At once, though clean, whoever is connected ("fast")."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        self.process = None

    def sql(self, text, database=NAME):
        """Run SQL, as it is; rows as lists of texts."""
        out = self.run("psql", "-X", "-q", "-A", "-t", "-1", "-F", "\x1f", "-R", "\x1e", "-h",
                       self.socket_dir, "-p", PORT, "-U", NAME, "-d", database,
                       "-v", "ON_ERROR_STOP=1", input=text.encode())
        return [line.split("\x1f") for line in out.rstrip("\n").split("\x1e") if line]


def copy_tree(source, target):
    """With owners and modes."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


def package_version():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "zabbix-server-pgsql"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and (SQL / "schema.sql.gz").exists(), (
        f"zabbix-server-pgsql is not installed: {done.stderr}")
    return re.sub(r"[^\w.+-]", "_", done.stdout)


def kept_cluster(user):
    """The stopped cluster with a fresh Zabbix database, made where there is none."""
    tests = programs.BUILD / "tests"
    name = f"zabbix-{package_version()}-pg{postgres_bin().parts[-2]}-{user.pw_uid}"
    kept = tests / "zabbix" / name
    kept.parent.mkdir(exist_ok=True)
    with open(kept.parent / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            make_cluster(user, kept)
    return kept


def make_cluster(user, kept):
    """The build may stand where `user` cannot go, so it is made elsewhere and moved."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    database = Database(folder / "db", user, filled=False)
    try:
        database.start()
        database.sql(f"ALTER ROLE {NAME} SET client_min_messages = warning;", "postgres")
        database.run("createdb", "-h", database.socket_dir, "-U", NAME, NAME)
        database.sql("".join(gzip.open(SQL / f"{part}.sql.gz", "rt", encoding="utf-8").read()
                             for part in ("schema", "images", "data")))
        database.sql("UPDATE hosts SET status = 1 WHERE host = 'Zabbix server'; ANALYZE;")
        database.stop()
        shutil.rmtree(f"{kept}.new", ignore_errors=True)
        copy_tree(database.data, f"{kept}.new")
        os.rename(f"{kept}.new", kept)
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)
