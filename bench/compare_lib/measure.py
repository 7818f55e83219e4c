"""One run: a server started, driven by the client, stopped, and what was measured of it."""

import json
import os
import re
import subprocess
import time

from . import generators, servers
from .processes import RunFailed, Server, on_cores

_CLIENT_SPARE_S = 60
_TARGET = 'floor-epoll'  # what stands behind a proxy
_MOST_LOST = 0.001  # of the datagrams: who loses more does not do the same work
# How the bare loops print their counts, and how `eddy echo --stats` does.
_SYSCALLS = re.compile(r'(?:\bsyscalls=|"system_calls":)(\d+)')
_BYTES = re.compile(r'(?:\bbytes=|"bytes_received":)(\d+)')
_COPIED = re.compile(r'(?:\bcopied=|"copied_bytes":)(\d+)')


def _processor_time():
    """Of the whole machine, in seconds: (busy, stolen)."""
    with open('/proc/stat', encoding='ascii') as stat:
        fields = [int(x) / os.sysconf('SC_CLK_TCK') for x in stat.readline().split()[1:]]
    user, nice, system, _, _, interrupts, softirqs, steal = fields[:8]
    return user + nice + system + interrupts + softirqs, steal


def _run_client(build, server, cores, workload, warmup, duration):
    options = {'mode': workload.client_mode, 'port': server.port, 'conns': workload.connections,
               'size': workload.size, 'depth': workload.depth, 'warmup': warmup,
               'duration': duration,
               'server-pid': ','.join(str(process.pid) for process in server.processes)}
    command = [servers.client(build), '--json']
    for name, value in options.items():
        command += [f'--{name}', str(value)]
    try:
        client = subprocess.run(command, capture_output=True, text=True,
                                preexec_fn=on_cores(cores),
                                timeout=warmup + duration + _CLIENT_SPARE_S, check=False)
    except subprocess.TimeoutExpired:
        raise RunFailed('client did not end in time') from None
    if client.returncode != 0:
        raise RunFailed((client.stderr or 'client failed').strip())
    return json.loads(client.stdout)


def _drive(build, server, cores, workload, warmup, duration):
    try:
        figures = _run_client(build, server, cores, workload, warmup, duration)
    except RunFailed as error:
        words = server.last_words()
        raise RunFailed(f'{error}; {words}' if words else str(error)) from None
    if figures['lost'] > figures['requests'] * _MOST_LOST:
        raise RunFailed(f"{figures['lost']} of {figures['requests']:.0f} requests were lost")
    return figures


def _per_request(pattern, output, workload):
    """From the counts that a server prints at its end, over its life; None if it prints none."""
    counts, bytes_served = (re.findall(p, output) for p in (pattern, _BYTES))
    total = sum(map(int, bytes_served))
    return sum(map(int, counts)) / (total / workload.size) if counts and total else None


def why_not(build, name, core):
    """Why this server cannot run here (a kernel without io_uring, say); None if it can."""
    try:
        with Server(build, servers.catalogued(name).loads or name, {core}) as server:
            server.stop()
    except RunFailed as error:
        return str(error)
    return None


def _served(build, name, workload, cores, warmup, duration):
    """The client's figures, and what the server printed."""
    server_cores, client_cores = ({core} for core in cores)
    if workload.mode == 'pool':
        server_cores = set(cores)
    if workload.mode != 'proxy':
        with Server(build, name, server_cores) as server:
            figures = _drive(build, server, client_cores, workload, warmup, duration)
            return figures, server.stop()
    with (Server(build, _TARGET, client_cores) as target,
          Server(build, name, server_cores, target.port) as proxy):
        figures = _drive(build, proxy, client_cores, workload, warmup, duration)
        return figures, proxy.stop()


def _of_server(build, name, workload, cores, warmup, duration):
    figures, output = _served(build, name, workload, cores, warmup, duration)
    figures['requests_per_s'] = figures['requests'] / figures['seconds']
    figures['cpu_us_per_request'] = figures['server_cpu_ns'] / figures['requests'] / 1e3
    figures['bytes_per_cpu_s'] = figures['bytes'] / (figures['server_cpu_ns'] / 1e9)
    figures['syscalls_per_request'] = _per_request(_SYSCALLS, output, workload)
    figures['copied_per_request'] = _per_request(_COPIED, output, workload)
    return figures


def run(build, name, workload, cores, warmup, duration):
    """Returns the figures of one run as a dict; raises RunFailed."""
    measured = generators.run if servers.catalogued(name).loads else _of_server
    started, (busy, steal) = time.monotonic(), _processor_time()
    figures = measured(build, name, workload, cores, warmup, duration)
    elapsed, (busy_after, steal_after) = time.monotonic() - started, _processor_time()
    figures['machine_busy'] = (busy_after - busy) / elapsed
    figures['machine_steal'] = (steal_after - steal) / elapsed
    return figures
