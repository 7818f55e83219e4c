"""Goals that eddy is held to, each a ratio with a target, and whether they are met.

A goal is met if the median reaches the target and the far end of its interval is within 0.02 of it.
Where a goal speaks of the better of several, that is the one with the lowest median CPU time per
request at that workload. The goals themselves are in the modules goals_*.
"""

from dataclasses import dataclass

from . import report, workload
from .results import CPU

_TOLERANCE = 0.02


@dataclass(frozen=True)
class Goal:
    what: str
    workload: str
    ours: list    # the better of these,
    theirs: list  # against the better of these; none: the figure itself, which must be the target
    target: float
    figure: str = CPU
    shown_only: bool = False
    throughput: bool = False  # so many per CPU second, at least the target: the inverse of CPU/request


def plan(goals):
    """The workloads of the goals, with the servers that each needs."""
    needed = {}
    for goal in goals:
        names = needed.setdefault(goal.workload, [])
        names += [name for name in goal.ours + goal.theirs if name not in names]
    return [(workload.parse(name), names) for name, names in needed.items()]


def _met(goal, ratio):
    if goal.throughput:
        return ratio.median >= goal.target and ratio.low >= goal.target - _TOLERANCE
    below = ratio.median < goal.target if goal.target == 1.0 else ratio.median <= goal.target
    return below and ratio.high <= goal.target + _TOLERANCE


def _target(goal):
    if not goal.theirs:
        return f'{goal.target:g}'
    return f"{'≥' if goal.throughput else '<' if goal.target == 1.0 else '≤'} {goal.target:.2f}"


def _verdict(goal, met):
    return 'shown' if goal.shown_only else 'reached' if met else 'MISSED'


def _judge(goal, results):
    ours, theirs = (results.best(goal.workload, names) for names in (goal.ours, goal.theirs))
    row = {'goal': goal.what, 'workload': goal.workload,
           'server': ours or ' or '.join(goal.ours),
           'reference': theirs or ' or '.join(goal.theirs),
           'target': '' if goal.shown_only else _target(goal), 'ratio': None, 'value': None}
    if not goal.theirs and ours:
        value = results.worst(goal.workload, ours, goal.figure)
        if value is not None:
            return {**row, 'value': value, 'verdict': _verdict(goal, value == goal.target)}
    ratio = results.ratio(goal.workload, ours, theirs, goal.figure) if ours and theirs else None
    if ratio is None:
        return {**row, 'verdict': 'not measured'}
    if goal.throughput:
        ratio = ratio.inverse()
    return {**row, 'ratio': ratio, 'verdict': _verdict(goal, _met(goal, ratio))}


def judge(goals, results):
    return [_judge(goal, results) for goal in goals]


def _measured(row):
    return f"{row['value']:g}" if row['value'] is not None else str(row['ratio'] or '–')


def table(judged):
    rows = [('goal', 'workload', 'server', 'against', 'target', 'median (95 % interval)', '')]
    rows += [(row['goal'], row['workload'], row['server'], row['reference'], row['target'],
              _measured(row), row['verdict']) for row in judged]
    return '\n' + report.columns(rows, right_from=5)
