"""The goals of the whole sockets API, each on both backends."""

from .goals import Goal
from .results import COPIED

_BACKENDS = ['epoll', 'uring']
_UDP = 'udp:8x64Bx16'
_UNIX = 'unix:64x64B'
_CONNECT = 'connect:64x64B'
_PROXY = 'proxy:16x64KiB'
_BROADCAST = 'broadcast:10000x16KiB'
_POOL = 'pool:256x64B'
_ECHO = '64x64B'


def goals():
    for backend in _BACKENDS:
        yield from _of_backend(f'eddy-{backend}', f'floor-{backend}')


def _of_backend(eddy, floor):
    udp = [f'{eddy}-udp']
    yield Goal('requests per CPU second, bare loop', _UDP, udp, ['floor-udp'], 0.97,
               throughput=True)
    yield Goal('requests per CPU second, bare loop with epoll', _UDP, udp, ['floor-udp-epoll'],
               0.97, shown_only=True, throughput=True)
    segments = [f'{eddy}-udp-segments']
    yield Goal('requests per CPU second, bare loop with segments', _UDP, segments,
               ['floor-udp-segments'], 0.97, shown_only=True, throughput=True)
    yield Goal('requests per CPU second, libuv', _UDP, udp + segments, ['libuv-udp'], 1.5,
               throughput=True)
    yield Goal('CPU/request, bare loop of its kind', _UNIX, [f'{eddy}-unix'], [f'{floor}-unix'],
               1.03)
    connect = [f'{eddy}-connect']
    yield Goal('connections per CPU second, bare epoll loop', _CONNECT, connect,
               ['floor-connect'], 0.95, throughput=True)
    yield Goal('connections per CPU second, eager bare loop', _CONNECT, connect,
               ['floor-connect-eager'], 0.95, shown_only=True, throughput=True)
    yield Goal('bytes per CPU second, better HAProxy', _PROXY, [f'{eddy}-proxy'],
               ['haproxy', 'haproxy-always'], 1.0, throughput=True)
    broadcast = [f'{eddy}-broadcast']
    yield Goal('bytes copied in user space', _BROADCAST, broadcast, [], 0, COPIED)
    yield Goal('CPU/receiver, libevent', _BROADCAST, broadcast, ['libevent-broadcast'], 0.9)
    yield Goal('CPU/request, coroutines against callbacks', _ECHO, [f'{eddy}-coroutine'], [eddy],
               1.03)
    yield Goal('CPU/request, pool of 2 against 2 processes', _POOL, [f'{eddy}-pool'],
               [f'{eddy}-processes'], 1.03)
