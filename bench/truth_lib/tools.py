"""The same server, as several load generators tell of it.

The truth is what users wait who ask by a schedule of their own, so many a second, whatever the
server does: eddy asks as they do. wrk and redis-benchmark ask again when they have an answer.
"""

import csv
from dataclasses import dataclass

from compare_lib.processes import Server

from . import analytic, runs
from .runs import PERCENTS

_RATE = 2000
_CONNECTIONS = 64
_SLOW_US = 100_000
_SLOW_ONE_OF = 200


@dataclass
class Story:
    """What happened, and how it is told: {tool: Told}, the truth among them."""
    what: str
    told: dict


def _eddy(setting, url, seconds):
    command = runs.eddy_command(setting.build, url, seconds, '-c', str(_CONNECTIONS), '-R',
                                str(_RATE), '--warmup', '0', '--spin', '50ms')
    return runs.eddy_told(runs.run(command, setting.cores[1], seconds))


def _wrk(setting, url, seconds):
    command = ['wrk', '-t1', f'-c{_CONNECTIONS}', f'-d{seconds:g}s', '-s', runs.WRK_SCRIPT, url]
    return runs.wrk_told(runs.run(command, setting.cores[1], seconds))


def _redis_benchmark(setting, url, seconds):
    """It wants a number of requests: so many that it takes some `seconds`."""
    command = ['redis-benchmark', '-p', url.rpartition(':')[2], '-c', str(_CONNECTIONS), '-n',
               str(round(60_000 * seconds)), '-t', 'get', '--csv', '--precision', '3']
    row = list(csv.reader(runs.run(command, setting.cores[1], seconds).splitlines()))[-1]
    p50, _, p99, highest = (float(cell) * 1e3 for cell in row[4:8])
    values = {50: p50, 99: p99, 99.9: None}
    return runs.Told(values, dict.fromkeys(PERCENTS), [], highest)


def _truth(responses):
    curve = [(100 * (1 - 2 ** (-i / 8)), 0) for i in range(110)]
    curve = [(p, analytic.quantile(responses, p) * 1e6) for p, _ in curve
             if (1 - p / 100) * len(responses) >= 1]
    values = {p: analytic.quantile(responses, p) * 1e6 for p in PERCENTS}
    return runs.Told(values, dict.fromkeys(PERCENTS), curve, responses[-1] * 1e6)


def _stopped(setting, seconds, stop_s, server_name, scheme, tool):
    """What a user waits whom nothing delays: as eddy tells it of a run that nothing happens to."""
    with Server(setting.build, server_name, {setting.cores[0]}) as server:
        url = f'{scheme}://127.0.0.1:{server.port}'
        path = _eddy(setting, url, min(seconds, 3)).values[50]
    told = []
    for each in (tool, _eddy):
        with Server(setting.build, server_name, {setting.cores[0]}) as server:
            stopping = runs.Stopping(server, 0.4 * seconds, stop_s)
            told.append(each(setting, f'{scheme}://127.0.0.1:{server.port}', seconds))
            lasted = stopping.lasted()
    truth = _truth(analytic.stopped_responses(_RATE, seconds, path / 1e6, 0.4 * seconds, lasted))
    return truth, told[1], told[0]


def _slow(setting, seconds):
    told = []
    for each in (_wrk, _eddy):
        with runs.queue(setting.build, setting.cores[0], 'slow', _SLOW_US) as server:
            told.append(each(setting, f'http://127.0.0.1:{server.port}', seconds))
    count = round(_RATE * seconds)
    slow = count // _SLOW_ONE_OF
    responses = [setting.path_us / 1e6] * (count - slow)
    responses += [(setting.path_us + _SLOW_US) / 1e6] * slow
    return _truth(responses), told[1], told[0]


def tell(setting, seconds, stop_s):
    stopped = f'stopped for {stop_s * 1000:g} ms of {seconds:g} s'
    for what, tool, (truth, eddy, other) in (
            (f'an HTTP server is {stopped}', 'wrk',
             _stopped(setting, seconds, stop_s, 'floor-http', 'http', _wrk)),
            (f'redis-server is {stopped}', 'redis-benchmark',
             _stopped(setting, seconds, stop_s, 'redis-server', 'redis', _redis_benchmark)),
            (f'one answer of {_SLOW_ONE_OF} takes {_SLOW_US / 1000:g} ms, and delays no other',
             'wrk', _slow(setting, seconds))):
        yield Story(what, {'truth': truth, 'eddy load': eddy, tool: other})
