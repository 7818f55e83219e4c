"""One run of a load generator: the server that it loads is started, and what is counted is what the
generator takes, from its start to its end, for the requests that it says it made."""

import csv
import json
import math
import os
import re
import subprocess
import tempfile
import threading
import time

from . import schedule, servers
from .processes import RunFailed, Server, on_cores

_SPARE_S = 60
# How late a generator is at the 99th percentile depends on the few moments in which it does
# something else, such as its account of each second: that wants as long a run as users make.
_PACED_TIMES = 10
# Of `eddy load`: the client was the limit, or the run was not stable, or too short to tell much.
_FINE = (0, 6, 7, 8)
_WRK_COUNT = re.compile(r'(\d+) requests in')
_WRK_LATENCY = re.compile(r'^\s+(50|99)%\s+([\d.]+)(us|ms|s)', re.MULTILINE)
_US = {'us': 1.0, 'ms': 1e3, 's': 1e6}
_SOCKET_ERRORS = re.compile(r'Socket errors|Non-2xx')


def _wrk(output, *_):
    if _SOCKET_ERRORS.search(output):
        raise RunFailed('wrk met errors')
    latency = {percent: float(text) * _US[unit]
               for percent, text, unit in _WRK_LATENCY.findall(output)}
    return {'requests': int(_WRK_COUNT.search(output)[1]), 'p50_us': latency['50'],
            'p99_us': latency['99']}


def _eddy(output, workload, seconds):
    told = json.loads(output)
    requests = told['requests']
    if requests['answered'] != requests['scheduled'] or requests['scheduled'] == 0:
        raise RunFailed(f'eddy load: not all was answered: {requests}')
    figures = {'requests': requests['answered'], 'p50_us': told['latency_us']['p50'],
               'p99_us': told['latency_us']['p99']}
    if workload.mode == 'paced':
        figures['lateness_p99_us'] = told['client_lateness_us']['p99']
        made = requests['scheduled'] - requests['unsent']
        figures['arrivals_amiss'] = abs(made - schedule.poisson_arrivals(workload.depth, seconds))
    return figures


def _bench_client(output, *_):
    told = json.loads(output)
    return {name: told[name] for name in ('requests', 'p50_us', 'p99_us', 'lateness_p99_us')}


def _redis_benchmark(output, workload, seconds):
    row = list(csv.reader(output.splitlines()))[-1]
    return {'requests': _redis_requests(workload, seconds), 'p50_us': float(row[4]) * 1e3,
            'p99_us': float(row[6]) * 1e3}


def _redis_requests(workload, seconds):
    """It wants a number, and not a time: about what so long a run has."""
    return round(60_000 * seconds * min(workload.depth, 12))


_READERS = {'wrk': _wrk, 'eddy': _eddy, 'bench_client': _bench_client,
            'redis-benchmark': _redis_benchmark}


def _seconds(program, workload, duration):
    if workload.mode == 'paced':
        return duration * _PACED_TIMES
    return max(math.ceil(duration), 1) if program == 'wrk' else duration


def run(build, name, workload, cores, warmup, duration):
    """As measure.run, without a warm-up: a generator's first requests cost it as the others do."""
    catalogued = servers.catalogued(name)
    seconds = _seconds(catalogued.program, workload, duration)
    server_cores, client_cores = ({core} for core in cores)
    with Server(build, catalogued.loads, server_cores) as server:
        command = servers.command(build, name, {
            'TARGET': server.port, 'CONNECTIONS': workload.connections, 'SIZE': workload.size,
            'DEPTH': workload.depth, 'SECONDS': f'{seconds:g}',
            'REQUESTS': _redis_requests(workload, seconds)})
        started = time.monotonic()
        output, client_ns = _cpu_of(command, client_cores, seconds)
        elapsed = time.monotonic() - started
        server_ns = server.cpu_ns()
    figures = _read(catalogued, output, workload, seconds)
    return {'syscalls_per_request': None, 'copied_per_request': None, 'bytes_per_cpu_s': None,
            'lost': 0, 'arrivals_amiss': None, **figures, 'seconds': elapsed,
            'server_cpu_ns': server_ns, 'client_cpu_ns': client_ns,
            'requests_per_s': figures['requests'] / elapsed,
            'cpu_us_per_request': client_ns / figures['requests'] / 1e3}


def _cpu_of(command, cores, seconds):
    """Runs it to its end: what it printed, and its CPU time in nanoseconds."""
    with (tempfile.TemporaryFile('w+') as errors,
          subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                           text=True, preexec_fn=on_cores(cores)) as generator):
        too_long = threading.Timer(float(seconds) + _SPARE_S, generator.kill)
        too_long.start()
        output = generator.stdout.read()
        _, status, usage = os.wait4(generator.pid, 0)
        too_long.cancel()
        generator.returncode = os.waitstatus_to_exitcode(status)
        if generator.returncode not in _FINE:
            errors.seek(0)
            raise RunFailed(f'{os.path.basename(command[0])} ended with status '
                            f'{generator.returncode}: {(errors.read() or output).strip()}')
    return output, (usage.ru_utime + usage.ru_stime) * 1e9


def _read(catalogued, output, workload, seconds):
    try:
        return _READERS[catalogued.program](output, workload, seconds)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise RunFailed(f'{catalogued.program} printed what cannot be read: {error!r}') from None
