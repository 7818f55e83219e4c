"""The servers that can be compared: how each is started from a build folder."""

import os

_EDDY = ['echo', '--listen', '127.0.0.1:PORT', '--stats', '--backend']

# name: (program, arguments with PORT for the port, what it is)
_CATALOG = {
    'floor-epoll': ('floor_epoll', ['PORT'], 'bare epoll loop, reads of 64 KiB'),
    'floor-epoll-seam': ('floor_epoll_seam', ['PORT'], 'the same loop through the kernel seam'),
    'floor-epoll-256k': ('floor_epoll', ['PORT', 'buffer=262144'], 'the same, reads of 256 KiB'),
    'floor-epoll-512k': ('floor_epoll', ['PORT', 'buffer=524288'], 'the same, reads of 512 KiB'),
    'floor-uring': ('floor_uring', ['PORT'], 'bare io_uring loop, 4 segments of 256 KiB'),
    'floor-uring-2x512k': ('floor_uring', ['PORT', 'segments=2', 'size=524288'],
                           'the same, 2 of 512 KiB'),
    'floor-uring-8x256k': ('floor_uring', ['PORT', 'segments=8'], 'the same, 8 of 256 KiB'),
    'floor-uring-unordered': ('floor_uring', ['PORT', 'ordered=0'],
                              'the same, several sends of a stream under way, which may reorder it'),
    'eddy-epoll': ('eddy', [*_EDDY, 'epoll'], 'eddy on epoll'),
    'eddy-uring': ('eddy', [*_EDDY, 'uring'], 'eddy on io_uring'),
    'eddy-uring-wait': ('eddy', [*_EDDY, 'uring', '--min-wait-us', '50'],
                        'the same, letting requests gather for 50 µs'),
    'libuv': ('peer_libuv', ['PORT'], 'libuv'),
    'libevent': ('peer_libevent', ['PORT'], 'libevent, bufferevents'),
    'asio': ('peer_asio', ['PORT'], 'standalone Asio'),
    'libev': ('peer_libev', ['PORT'], 'libev, bare callbacks'),
}

NAMES = list(_CATALOG)
EPOLL_FLOORS = ['floor-epoll', 'floor-epoll-256k', 'floor-epoll-512k']
URING_FLOORS = ['floor-uring', 'floor-uring-2x512k', 'floor-uring-8x256k']
EDDY = ['eddy-epoll', 'eddy-uring']
PEERS = ['libuv', 'libevent', 'asio', 'libev']


def program(build, name):
    return os.path.join(build, 'bin', _CATALOG[name][0])


def command(build, name, port):
    return [program(build, name)] + [a.replace('PORT', str(port)) for a in _CATALOG[name][1]]


def is_built(build, name):
    return os.access(program(build, name), os.X_OK)


def client(build):
    return os.path.join(build, 'bin', 'bench_client')


def described():
    return '\n'.join(f'  {name:<22} {what}' for name, (_, _, what) in _CATALOG.items())
