"""The goals of the echo over TCP: against the bare loops, and against other libraries.

Each bare loop enters with the buffer size that is best for it at that workload. Below 16 KiB its
buffers are never full, all sizes are the same to it, and it enters with one: the best of several
equals would only be the luckiest.
"""

from . import servers, workload
from .goals import Goal
from .results import CPU, SYSCALLS

_LEAST_SIZE_THAT_BUFFERS_MATTER_TO = 16 * 1024
_KINDS = {'eddy-epoll': servers.EPOLL_FLOORS, 'eddy-uring': servers.URING_FLOORS}
_SAME_KIND = {'64x64B': 1.03, '1x64B': 1.05, '1000x64B': 1.05, '64x64Bx16': 1.05, '64x16KiB': 1.05}
_LARGE = ['16x256KiB', '8x1MiB']
_SIZES = ['64x1B', '64x64B', '64x1KiB', '64x16KiB', '16x256KiB', '8x1MiB']
_PEERS = ['64x64B', '64x16KiB']
_SHOWN_OF_MINIMUM_WAIT = {'system calls/request': SYSCALLS, 'CPU/request': CPU,
                          'p50 latency': 'p50_us', 'p99 latency': 'p99_us'}


def _floors(name, variants):
    matter = workload.parse(name).size >= _LEAST_SIZE_THAT_BUFFERS_MATTER_TO
    return variants if matter else variants[:1]


def _all_floors(name):
    return [floor for variants in _KINDS.values() for floor in _floors(name, variants)]


def goals():
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
