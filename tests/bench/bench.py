# SPDX-License-Identifier: MIT
"""`make bench`: the numbers of the design as ratios measured side by side in one run, as
a table. With arguments, only the sections whose names begin so: enqueue, batch, drain,
latency, idle, letters, collectd, zabbix-script, zabbix-module, million.
HOOKSPOOL_BENCH_QUEUE=N takes another size than a million."""

import sys

import measure
from in_collectd import collectd
from in_zabbix import zabbix_script
from module_in_zabbix import zabbix_module
from delivery import batch, drain, enqueue, idle, latency
from waiting import letters, million

SECTIONS = (enqueue, batch, drain, latency, idle, letters, collectd, zabbix_script,
            zabbix_module, million)


def main(wanted):
    print(f"{'measured':<52} {'':>22}  {'to reach':<14} reached")
    for section in SECTIONS:
        if not wanted or any(section.__name__.startswith(w.replace("-", "_"))
                             for w in wanted):
            section()
    return 0 if measure.rows and all(measure.rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
