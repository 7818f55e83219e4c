"""Runs of `eddy load` and of wrk, and what they say."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from compare_lib import servers
from compare_lib.processes import RunFailed, Server, on_cores

PERCENTS = (50, 99, 99.9)
_SPARE_S = 60
WRK_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           '../peers/wrk_percentiles.lua')
_WRK_LINE = re.compile(r'^percentile ([\d.]+) (\d+)$', re.MULTILINE)
_FINE = (0, 1, 6, 7, 8)  # of `eddy load`: a verdict is no failure


@dataclass
class Told:
    """What a load generator says, in µs."""
    values: dict     # by percentile; None where it is not told
    intervals: dict  # … (low, high); None where there is none
    curve: list      # (percentile, value)
    highest: float


def run(command, core, seconds):
    """What it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=on_cores({core}),
                              timeout=seconds + _SPARE_S, check=False)
    except subprocess.TimeoutExpired:
        raise RunFailed(f'{command[0]} did not end in time') from None
    if done.returncode not in _FINE:
        raise RunFailed(f'{command[0]} ended with status {done.returncode}: '
                        f'{done.stderr.strip()}')
    return done.stdout


def eddy_command(build, url, seconds, *more):
    return [os.path.join(build, 'bin/eddy'), 'load', url, '-d', f'{seconds * 1000:.0f}ms', '--json',
            '--timeout', '60s', *more]


def eddy_told(output):
    told = json.loads(output)
    requests = told['requests']
    if requests['answered'] != requests['scheduled']:
        raise RunFailed(f'eddy load: not all was answered: {requests}')
    key = lambda percent: f'p{percent:g}'
    return Told({p: told['latency_us'][key(p)] for p in PERCENTS},
                {p: told['interval_us'][key(p)] for p in PERCENTS},
                told['percentiles']['response_us'], told['latency_us']['max'])


def wrk_told(output):
    curve = [(float(percent), float(value)) for percent, value in _WRK_LINE.findall(output)]
    if not curve:
        raise RunFailed('wrk printed no percentiles')
    known = dict(curve)
    return Told({p: known[p] for p in PERCENTS}, dict.fromkeys(PERCENTS), curve, known[100])


def queue(build, core, model, mean_us, seed=1):
    """A server of known response times."""
    return Server(build, 'eddy-queue', {core}, MODEL=model, MEAN=round(mean_us), SEED=seed)


class Stopping:
    """Stops a server once, after a while; on a thread of its own."""

    def __init__(self, server, after_s, for_s):
        self._pid = server.processes[0].pid
        self._thread = threading.Thread(target=self._run, args=(after_s, for_s))
        self._lasted = 0.0
        self._thread.start()

    def _run(self, after_s, for_s):
        time.sleep(after_s)
        os.kill(self._pid, signal.SIGSTOP)
        began = time.monotonic()
        time.sleep(for_s)
        os.kill(self._pid, signal.SIGCONT)
        self._lasted = time.monotonic() - began

    def lasted(self):
        """In seconds."""
        self._thread.join()
        return self._lasted


def is_built(build):
    return all(servers.is_built(build, name) for name in ('eddy-queue', 'floor-http', 'eddy-load'))
