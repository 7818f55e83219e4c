"""The goals that eddy is held to, each a ratio with a target, and whether they are met.

A goal is met if the median reaches the target and the far end of its interval is within 0.02 of it.
Where a goal speaks of the better of several, that is the one with the lowest median CPU time per
request at that workload; each bare loop enters with the buffer size that is best for it there.
Below 16 KiB its buffers are never full, all sizes are the same to it, and it enters with one: the
best of several equals would only be the luckiest.
"""

from dataclasses import dataclass

from . import report, servers, workload
from .results import CPU, SYSCALLS

_TOLERANCE = 0.02
_LEAST_SIZE_THAT_BUFFERS_MATTER_TO = 16 * 1024
_KINDS = {'eddy-epoll': servers.EPOLL_FLOORS, 'eddy-uring': servers.URING_FLOORS}
_SAME_KIND = {'64x64B': 1.03, '1x64B': 1.05, '1000x64B': 1.05, '64x64Bx16': 1.05, '64x16KiB': 1.05}
_LARGE = ['16x256KiB', '8x1MiB']
_SIZES = ['64x1B', '64x64B', '64x1KiB', '64x16KiB', '16x256KiB', '8x1MiB']
_PEERS = ['64x64B', '64x16KiB']
_SHOWN_OF_MINIMUM_WAIT = {'system calls/request': SYSCALLS, 'CPU/request': CPU,
                          'p50 latency': 'p50_us', 'p99 latency': 'p99_us'}


@dataclass(frozen=True)
class Goal:
    what: str
    workload: str
    ours: list    # the better of these,
    theirs: list  # against the better of these
    target: float
    figure: str = CPU
    shown_only: bool = False
    throughput: bool = False  # bytes per CPU second, at least the target: the inverse of CPU/request


def _floors(name, variants):
    matter = workload.parse(name).size >= _LEAST_SIZE_THAT_BUFFERS_MATTER_TO
    return variants if matter else variants[:1]


def _all_floors(name):
    return [floor for variants in _KINDS.values() for floor in _floors(name, variants)]


def _goals():
    for name, target in _SAME_KIND.items():
        for ours, variants in _KINDS.items():
            yield Goal('CPU/request, bare loop of its kind', name, [ours], _floors(name, variants),
                       target)
    for name in _LARGE:
        for ours in servers.EDDY:
            yield Goal('bytes per CPU second, better bare loop', name, [ours], _all_floors(name),
                       0.97, throughput=True)
    for name in _SIZES:
        yield Goal('CPU/request, better backend, better bare loop', name, servers.EDDY,
                   _all_floors(name), 1.05)
        for ours in servers.EDDY:
            yield Goal('CPU/request, better bare loop', name, [ours], _all_floors(name), 1.05,
                       shown_only=True)
    for name in _PEERS:
        for peer in servers.PEERS:
            yield Goal(f'CPU/request, better backend, {peer}', name, servers.EDDY, [peer], 1.0)
    yield Goal('system calls/request', '64x64B', ['eddy-uring'], ['floor-uring'], 1.05, SYSCALLS)
    for what, figure in _SHOWN_OF_MINIMUM_WAIT.items():
        yield Goal(f'{what}, minimum wait of 50 µs', '64x64B', ['eddy-uring-wait'], ['eddy-uring'],
                   1.0, figure, shown_only=True)


def plan():
    """The workloads of the goals, with the servers that each needs."""
    needed = {}
    for goal in _goals():
        names = needed.setdefault(goal.workload, [])
        names += [name for name in goal.ours + goal.theirs if name not in names]
    return [(workload.parse(name), names) for name, names in needed.items()]


def _met(goal, ratio):
    if goal.throughput:
        return ratio.median >= goal.target and ratio.low >= goal.target - _TOLERANCE
    below = ratio.median < goal.target if goal.target == 1.0 else ratio.median <= goal.target
    return below and ratio.high <= goal.target + _TOLERANCE


def _target(goal):
    return f"{'≥' if goal.throughput else '<' if goal.target == 1.0 else '≤'} {goal.target:.2f}"


def _judge(goal, results):
    ours, theirs = (results.best(goal.workload, names) for names in (goal.ours, goal.theirs))
    row = {'goal': goal.what, 'workload': goal.workload,
           'server': ours or ' or '.join(goal.ours),
           'reference': theirs or ' or '.join(goal.theirs),
           'target': '' if goal.shown_only else _target(goal)}
    ratio = results.ratio(goal.workload, ours, theirs, goal.figure) if ours and theirs else None
    if ratio is None:
        return {**row, 'ratio': None, 'verdict': 'not measured'}
    if goal.throughput:
        ratio = ratio.inverse()
    verdict = 'shown' if goal.shown_only else 'reached' if _met(goal, ratio) else 'MISSED'
    return {**row, 'ratio': ratio, 'verdict': verdict}


def judge(results):
    return [_judge(goal, results) for goal in _goals()]


def table(judged):
    rows = [('goal', 'workload', 'server', 'against', 'target', 'median (95 % interval)', '')]
    rows += [(row['goal'], row['workload'], row['server'], row['reference'], row['target'],
              str(row['ratio'] or '–'), row['verdict']) for row in judged]
    return '\n' + report.columns(rows, right_from=5)
