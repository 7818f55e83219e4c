"""One run: a server started, driven by the client, stopped, and what was measured of it."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from . import isolation, servers

_START_TIMEOUT_S = 10
_STOP_TIMEOUT_S = 10
_CLIENT_SPARE_S = 60
# How the bare loops print their counts, and how `eddy echo --stats` does.
_SYSCALLS = re.compile(r'(?:\bsyscalls=|"system_calls":)(\d+)')
_BYTES = re.compile(r'(?:\bbytes=|"bytes_received":)(\d+)')
_LISTEN = '0A'  # TCP_LISTEN in /proc/net/tcp


class RunFailed(Exception):
    """A server or the client did not do its part; the text says which and how."""


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _listens(port):
    wanted = f':{port:04X}'
    with open('/proc/self/net/tcp', encoding='ascii') as table:
        return any(row.split()[1].endswith(wanted) and row.split()[3] == _LISTEN
                   for row in list(table)[1:])


def _on_core(core):
    """What a child does before it becomes a server or the client: neither outlives this process."""
    def prepare():
        isolation.end_with_parent(signal.SIGKILL)
        os.sched_setaffinity(0, {core})
    return prepare


def _await_listening(process, port):
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _listens(port):
        if process.poll() is not None:
            raise RunFailed(_last_words(process))
        if time.monotonic() > deadline:
            raise RunFailed(f'server did not listen on port {port} within {_START_TIMEOUT_S} s')
        time.sleep(0.005)


def _last_words(process):
    lines = process.stdout.read().strip().splitlines()
    said = lines[-1] if lines else 'it said nothing'
    return f'server ended with status {process.returncode}: {said}'


def _stop(process):
    """Ends the server and returns what it printed."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.communicate(timeout=_STOP_TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RunFailed(f'server did not stop within {_STOP_TIMEOUT_S} s of SIGTERM') from None


def _processor_time():
    """Of the whole machine, in seconds: (busy, stolen)."""
    with open('/proc/stat', encoding='ascii') as stat:
        fields = [int(x) / os.sysconf('SC_CLK_TCK') for x in stat.readline().split()[1:]]
    user, nice, system, _, _, interrupts, softirqs, steal = fields[:8]
    return user + nice + system + interrupts + softirqs, steal


def _drive(build, core, port, process, workload, warmup, duration):
    options = {'port': port, 'conns': workload.connections, 'size': workload.size,
               'depth': workload.depth, 'warmup': warmup, 'duration': duration,
               'server-pid': process.pid}
    command = [servers.client(build), '--json']
    for name, value in options.items():
        command += [f'--{name}', str(value)]
    try:
        client = subprocess.run(command, capture_output=True, text=True, preexec_fn=_on_core(core),
                                timeout=warmup + duration + _CLIENT_SPARE_S, check=False)
    except subprocess.TimeoutExpired:
        raise RunFailed('client did not end in time') from None
    if client.returncode != 0:
        raise RunFailed((client.stderr or 'client failed').strip())
    return json.loads(client.stdout)


def _syscalls_per_request(output, workload):
    """From the counts that a server prints at its end, over its life; None if it prints none."""
    syscalls, received = (re.search(pattern, output) for pattern in (_SYSCALLS, _BYTES))
    if not syscalls or not received or int(received[1]) == 0:
        return None
    return int(syscalls[1]) / (int(received[1]) / workload.size)


def _start(build, name, port, core):
    process = subprocess.Popen(servers.command(build, name, port), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               preexec_fn=_on_core(core))
    try:
        _await_listening(process, port)
    except BaseException:
        _kill(process)
        raise
    return process


def _kill(process):
    if process.poll() is None:
        process.kill()
    process.communicate()


def why_not(build, name, core):
    """Why this server cannot run here (a kernel without io_uring, say); None if it can."""
    try:
        _stop(_start(build, name, _free_port(), core))
    except RunFailed as error:
        return str(error)
    return None


def run(build, name, workload, cores, warmup, duration):
    """Returns the figures of one run as a dict; raises RunFailed."""
    port = _free_port()
    started, (busy, steal) = time.monotonic(), _processor_time()
    process = _start(build, name, port, cores[0])
    try:
        figures = _drive(build, cores[1], port, process, workload, warmup, duration)
    except RunFailed as error:
        ended = process.poll() is not None
        words = _last_words(process) if ended else ''
        _kill(process)
        raise RunFailed(f'{error}; {words}' if ended else str(error)) from None
    except BaseException:
        _kill(process)
        raise
    output = _stop(process)
    elapsed, (busy_after, steal_after) = time.monotonic() - started, _processor_time()
    figures['requests_per_s'] = figures['requests'] / figures['seconds']
    figures['cpu_us_per_request'] = figures['server_cpu_ns'] / figures['requests'] / 1e3
    figures['bytes_per_cpu_s'] = figures['bytes'] / (figures['server_cpu_ns'] / 1e9)
    figures['syscalls_per_request'] = _syscalls_per_request(output, workload)
    figures['machine_busy'] = (busy_after - busy) / elapsed
    figures['machine_steal'] = (steal_after - steal) / elapsed
    return figures
