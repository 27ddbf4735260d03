# SPDX-License-Identifier: MIT
"""Fixtures of the integration tests: a receiver, a spool, certificates, node."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import certificates
import programs
from receiver import Receiver
from spool import Hookspool

QUICK = os.environ.get("HOOKSPOOL_QUICK") == "1"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out when HOOKSPOOL_QUICK=1")
    config.addinivalue_line("markers", "root(why): needs to run as root")


def pytest_collection_modifyitems(config, items):
    left_out = [i for i in items if QUICK and i.get_closest_marker("slow")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [i for i in items if i not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what the daemons said and did beside a failure."""
    report = (yield).get_result()
    hooks = getattr(item, "funcargs", {}).get("hooks")
    if report.when != "call" or not report.failed or hooks is None:
        return
    for daemon in hooks.daemons:
        report.sections.append((daemon.log_path.name, daemon.log()[-4000:]))
    lines = [str(line) for line in hooks.journal()[-12:]]
    report.sections.append(("journal", "\n".join(lines)))
    report.sections.append(("status.json", str(hooks.status())))


@pytest.fixture(autouse=True)
def root_where_needed(request):
    marker = request.node.get_closest_marker("root")
    if marker and not programs.IS_ROOT:
        pytest.skip(f"needs root: {marker.args[0]}")


@pytest.fixture
def folder():
    """A temporary folder with a short path (control.sock stands in it), open to other
    users for the tests that need them."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="hs-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def hooks(folder):
    """A spool, with neither endpoint nor daemon yet."""
    made = Hookspool(folder)
    yield made
    made.close()


@pytest.fixture
def make_receiver():
    """Make receivers that are closed at the end; whatever they found wrong with a
    request fails the test then."""
    made = []

    def make(**options):
        made.append(Receiver(**options).up())
        return made[-1]

    yield make
    for one in made:
        one.close()
    problems = [p for one in made for p in one.problems]
    assert not problems, problems[:10]


@pytest.fixture
def receiver(make_receiver):
    return make_receiver()


@pytest.fixture
def main(hooks, receiver):
    """The usual case: one endpoint "main" at a receiver, daemon running."""
    hooks.endpoint("main", receiver=receiver).init()
    hooks.start()
    return hooks


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def node_modules():
    """The documented receivers with their packages, installed once a build."""
    where = programs.BUILD / "tests" / "node"
    where.mkdir(exist_ok=True)
    with open(where / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (where / "done").exists():
            for path in (programs.SOURCE / "tests" / "receivers").iterdir():
                shutil.copy(path, where)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                           cwd=where, check=True, stdin=subprocess.DEVNULL, timeout=300)
            (where / "done").touch()
    return where
