"""The arrivals that `eddy load` is to make, calculated anew: how many a seed has in a run.

The same arithmetic as in tools/load/random.h and schedule.cpp, written a second time so that what
the program did can be held against something that it did not say itself.
"""

import functools

_MASK = (1 << 64) - 1
_STEP = 0x9e3779b97f4a7c15


def _mixed(value):
    value = ((value ^ (value >> 30)) * 0xbf58476d1ce4e5b9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94d049bb133111eb) & _MASK
    return value ^ (value >> 31)


def _drawn(seed):
    """The numbers of splitmix64."""
    while True:
        seed = (seed + _STEP) & _MASK
        yield _mixed(seed)


def _exponential(draw):
    """By von Neumann's comparisons."""
    whole = 0.0
    while True:
        first = least = next(draw)
        odd = True
        while (number := next(draw)) < least:
            least, odd = number, not odd
        if odd:
            return whole + (first >> 11) * 2.0 ** -53
        whole += 1


@functools.cache
def poisson_arrivals(rate, seconds, seed=1):
    """How many of the first sequence of that seed come before the end."""
    draw = _drawn(_mixed((_mixed(seed) + _STEP) & _MASK))
    count, position = 0, _exponential(draw)
    while round(position * 1e9 / rate) < seconds * 1e9:
        count += 1
        position += _exponential(draw)
    return count
