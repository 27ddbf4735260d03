# SPDX-License-Identifier: MIT
"""What must hold of the requests that a receiver saw, whatever happened in between."""

import collections


def by_monitor(requests):
    found = collections.defaultdict(list)
    for request in requests:
        found[request.monitor].append(request)
    return found


def check_arrived(requests, ids):
    """Everything acknowledged arrived; what else arrived is for the caller to judge."""
    missing = set(ids) - {r.id for r in requests}
    assert not missing, f"{len(missing)} of {len(ids)} never arrived: {list(missing)[:5]}"


def check_exactly(requests, ids):
    """Each arrived once, and nothing else."""
    assert sorted(r.id for r in requests) == sorted(ids)


def check_numbers(requests):
    """Order of numbered events: on one monitor the number never goes back (so no DOWN
    comes after its UP), and what comes twice comes under the same id."""
    for monitor, seen in by_monitor(requests).items():
        numbers = [r.number for r in seen]
        back = [i for i in range(1, len(numbers)) if numbers[i] < numbers[i - 1]]
        assert not back, f"{monitor}: {numbers[max(0, back[0] - 5):back[0] + 5]}"
        ids = collections.defaultdict(set)
        for request in seen:
            ids[request.number].add(request.id)
        twice = {n: i for n, i in ids.items() if len(i) > 1}
        assert not twice, f"{monitor}: {twice}"


def check_sequence(requests, ids):
    """The requests of one monitor follow `ids`; repeats of one id directly after it."""
    order = []
    for request in requests:
        if not order or order[-1] != request.id:
            order.append(request.id)
    assert order == list(ids)


def most_within(times, window):
    """The largest number of `times` in any window of this length."""
    times, most, first = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most
