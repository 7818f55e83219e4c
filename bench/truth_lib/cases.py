"""Servers whose response times are known, and how what `eddy load` says of them compares."""

from dataclasses import dataclass
from typing import Callable

from . import analytic, runs
from .runs import PERCENTS

_UTILISATION = 0.6
# Long enough that what else a machine does, for a millisecond now and then, is a small part of it.
_SERVICE_US = 1_000
_DELAY_US = 200_000
_DELAY_RATE = 300
_CONNECTIONS = 256
_STOP_RATE = 1000
_STOP_DELAY_US = 5000


@dataclass(frozen=True)
class Setting:
    build: str
    cores: tuple
    warmup_s: float = 1
    path_us: float = 0  # there and back, as measured where the server adds nothing


@dataclass(frozen=True)
class Queue:
    name: str
    model: str
    mean_us: float
    rate: float      # a second
    truth: Callable  # (mean, utilisation, percent) -> µs

    def truths(self, path_us):
        return {p: self.truth(self.mean_us, _UTILISATION, p) + path_us for p in PERCENTS}


def delay():
    return Queue(f'answers after {_DELAY_US / 1000:g} ms', 'delay', _DELAY_US, _DELAY_RATE,
                 lambda mean, utilisation, percent: mean)


def _one_after_the_other(name, model, truth):
    return Queue(name, model, _SERVICE_US, _UTILISATION * 1e6 / _SERVICE_US, truth)


def md1():
    return _one_after_the_other('M/D/1', 'md1', analytic.md1_quantile)


def mm1():
    return _one_after_the_other('M/M/1', 'mm1', analytic.mm1_quantile)


def _load(setting, server, rate, seconds, seed, arrivals='poisson'):
    command = runs.eddy_command(setting.build, f'tcp://127.0.0.1:{server.port}', seconds,
                                '-c', str(_CONNECTIONS), '-R', f'{rate:g}', '--arrivals', arrivals,
                                '--warmup', f'{setting.warmup_s * 1000:.0f}ms', '--spin', '50ms',
                                '--seed', str(seed))
    return runs.eddy_told(runs.run(command, setting.cores[1], seconds))


def measure_path(setting, seconds=3):
    """The median of what takes no time at the server."""
    with runs.queue(setting.build, setting.cores[0], 'delay', 0) as server:
        return _load(setting, server, 1000, seconds, 1).values[50]


def run_queue(setting, case, seconds, seed=1):
    with runs.queue(setting.build, setting.cores[0], case.model, case.mean_us, seed) as server:
        return _load(setting, server, case.rate, seconds, seed)


def run_stop(setting, seconds, stop_s):
    """A server that answers after some milliseconds and is stopped: what eddy says, and what is
    true."""
    with runs.queue(setting.build, setting.cores[0], 'delay', _STOP_DELAY_US) as server:
        stopping = runs.Stopping(server, setting.warmup_s + seconds / 2, stop_s)
        told = _load(setting, server, _STOP_RATE, seconds, 1, 'constant')
        lasted = stopping.lasted()
    responses = analytic.stopped_responses(_STOP_RATE, seconds, _STOP_DELAY_US / 1e6, seconds / 2,
                                           lasted)
    return told, {p: analytic.quantile(responses, p) * 1e6 + setting.path_us for p in PERCENTS}


@dataclass(frozen=True)
class Row:
    """One percentile of one server."""
    server: str
    percent: float
    truth: float
    told: float | None
    interval: list | None

    @property
    def off(self):
        return None if self.told is None else self.told / self.truth - 1

    @property
    def covers(self):
        if self.interval is None:
            return None
        low, high = self.interval
        return low <= self.truth and (high is None or self.truth <= high)

    @property
    def verdict(self):
        if self.told is None:
            return 'not told'
        if abs(self.off) <= 0.02:
            return 'within 2 %'
        return 'inside its interval' if self.covers else 'MISSED'


def rows(name, told, truths):
    return [Row(name, p, truths[p], told.values[p], told.intervals[p]) for p in PERCENTS]
