# SPDX-License-Identifier: MIT
"""What the plugin costs collectd."""

import shutil
import statistics

from measure import TOOLS, note, row

from collectd import Collectd
from spool import wait_for

MONITOR = """
<Monitor "m{0}">
  Host "web1"
  Plugin "curl"
  PluginInstance "page-{0}"
  Type "response_code"
  FailureMax 399
  Timeout 0
  ResponseTime "curl-page-{0}/response_time"
  StatusCode "curl-page-{0}/response_code"
</Monitor>
"""


def dispatched(values, *, load):
    """Values a second through collectd, with and without write_hookspool."""
    block = "".join(MONITOR.format(n) for n in range(1000)) if load else ""
    host = Collectd(block, load=load, writers=5, interval=3600)
    result = host.base / "result"
    shutil.copy(TOOLS / ".libs" / "dispatch.so", host.plugins)
    host.env = {"HOOKSPOOL_BENCH_VALUES": str(values), "HOOKSPOOL_BENCH_RESULT": str(result)}
    host.last = "LoadPlugin dispatch"
    try:
        host.start()
        wait_for("all values", lambda: result.exists() and result.read_text(), 300, 0.05)
        return values / float(result.read_text())
    finally:
        host.close()


def collectd():
    """Values that no Monitor matches, with 1,000 Monitors and without the plugin."""
    if not (TOOLS / ".libs" / "dispatch.so").exists():
        note("collectd: built without it", "-")
        return
    rates = {True: [], False: []}
    for _ in range(7):
        for load in (False, True):
            rates[load].append(dispatched(200_000, load=load))
    without, loaded = (statistics.median(rates[load]) for load in (False, True))
    note("collectd, values a second without the plugin", f"{without:.0f}")
    note("collectd, with it and 1,000 monitors", f"{loaded:.0f}")
    row("collectd, with the plugin against without", f"{loaded / without:.2f} x",
        ">= 0.8 x", loaded / without >= 0.8)
