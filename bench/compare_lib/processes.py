"""The processes of a run: each on cores of its own, and none that outlives this program."""

import os
import signal
import socket
import subprocess
import time

from . import isolation, servers

_START_TIMEOUT_S = 10
_STOP_TIMEOUT_S = 10
_LISTEN = '0A'  # TCP_LISTEN in /proc/net/tcp


class RunFailed(Exception):
    """A server or the client did not do its part; the text says which and how."""


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _rows(table):
    with open(f'/proc/self/net/{table}', encoding='ascii') as file:
        return [row.split() for row in list(file)[1:]]


def _listeners(mode, port):
    """How many sockets wait for clients."""
    if mode == 'unix':
        return sum(row[-1] == f'@eddy-bench-{port}' for row in _rows('unix'))
    ours = [row for row in _rows('udp' if mode == 'udp' else 'tcp')
            if row[1].endswith(f':{port:04X}')]
    return len(ours) if mode == 'udp' else sum(row[3] == _LISTEN for row in ours)


def on_cores(cores):
    """What a child does before it becomes a server or the client: neither outlives this process."""
    def prepare():
        isolation.end_with_parent(signal.SIGKILL)
        os.sched_setaffinity(0, cores)
    return prepare


def _last_words(process):
    lines = process.stdout.read().strip().splitlines()
    said = lines[-1] if lines else 'it said nothing'
    return f'server ended with status {process.returncode}: {said}'


def _cpu_ns(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf('SC_CLK_TCK')


class Server:
    """The processes of a server, from its listening until the end of the `with`."""

    def __init__(self, build, name, cores, target=0, **places):
        """`places`: what else its arguments in the catalogue leave open."""
        self.port = _free_port()
        self._catalogued = servers.catalogued(name)
        self._command = servers.command(build, name,
                                        {'PORT': self.port, 'TARGET': target, **places})
        self._environment = {**os.environ, **self._catalogued.environment,
                             'BENCH_PORT': str(self.port), 'BENCH_TARGET': str(target)}
        self._cores = cores
        self.processes = []

    def __enter__(self):
        try:
            for cores in self._cores_of_each():
                self.processes.append(subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, env=self._environment,
                    preexec_fn=on_cores(cores)))
            self._await_listening()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            if not process.stdout.closed:
                process.communicate()

    def _cores_of_each(self):
        """One process has them all; several have one each."""
        count, cores = self._catalogued.processes, sorted(self._cores)
        return [self._cores] if count == 1 else [{cores[i % len(cores)]} for i in range(count)]

    def _await_listening(self):
        deadline = time.monotonic() + _START_TIMEOUT_S
        while _listeners(self._catalogued.mode, self.port) < self._catalogued.listeners:
            if words := self.last_words():
                raise RunFailed(words)
            if time.monotonic() > deadline:
                raise RunFailed(f'server did not listen on port {self.port} within '
                                f'{_START_TIMEOUT_S} s')
            time.sleep(0.005)

    def last_words(self):
        """Of the first process that has ended; None while all run."""
        ended = (process for process in self.processes if process.poll() is not None)
        return next((_last_words(process) for process in ended), None)

    def cpu_ns(self):
        """That it has taken so far, to the clock tick."""
        return sum(_cpu_ns(process.pid) for process in self.processes)

    def stop(self):
        """Ends the server and returns what it printed."""
        for process in self.processes:
            process.terminate()
        try:
            return ''.join(process.communicate(timeout=_STOP_TIMEOUT_S)[0]
                           for process in self.processes)
        except subprocess.TimeoutExpired:
            raise RunFailed(f'server did not stop within {_STOP_TIMEOUT_S} s of SIGTERM') from None
