"""The servers that can be compared: how each is started from a build folder."""

import os

# name: (program below the build folder, arguments; PORT stands for the port, what it is in a plot's words)
_CATALOG = {
    'floor-epoll': ('bin/floor_epoll', ['PORT'], 'bare epoll loop, 64 KiB reads'),
    'floor-epoll-256k': ('bin/floor_epoll', ['PORT', 'buffer=262144'],
                         'bare epoll loop, 256 KiB reads'),
    'floor-epoll-512k': ('bin/floor_epoll', ['PORT', 'buffer=524288'],
                         'bare epoll loop, 512 KiB reads'),
    'floor-uring': ('bin/floor_uring', ['PORT'], 'bare io_uring loop, 4 × 256 KiB'),
    'floor-uring-2x512k': ('bin/floor_uring', ['PORT', 'segments=2', 'size=524288'],
                           'bare io_uring loop, 2 × 512 KiB'),
    'floor-uring-8x256k': ('bin/floor_uring', ['PORT', 'segments=8'],
                           'bare io_uring loop, 8 × 256 KiB'),
    'floor-uring-unordered': ('bin/floor_uring', ['PORT', 'ordered=0'],
                              'bare io_uring loop, several sends of a stream under way'),
    'eddy-epoll': ('bin/eddy', ['echo', '--listen', '127.0.0.1:PORT', '--backend', 'epoll'],
                   'eddy, epoll'),
    'eddy-uring': ('bin/eddy', ['echo', '--listen', '127.0.0.1:PORT', '--backend', 'uring'],
                   'eddy, io_uring'),
    'libuv': ('bin/peer_libuv', ['PORT'], 'libuv'),
    'libevent': ('bin/peer_libevent', ['PORT'], 'libevent, bufferevents'),
    'asio': ('bin/peer_asio', ['PORT'], 'standalone Asio'),
    'libev': ('bin/peer_libev', ['PORT'], 'libev'),
}

NAMES = list(_CATALOG)
EPOLL_FLOORS = ['floor-epoll', 'floor-epoll-256k', 'floor-epoll-512k']
URING_FLOORS = ['floor-uring', 'floor-uring-2x512k', 'floor-uring-8x256k']
EDDY = ['eddy-epoll', 'eddy-uring']
PEERS = ['libuv', 'libevent', 'asio', 'libev']


def program(build, name):
    return os.path.join(build, _CATALOG[name][0])


def command(build, name, port):
    return [program(build, name)] + [a.replace('PORT', str(port)) for a in _CATALOG[name][1]]


def is_built(build, name):
    return os.access(program(build, name), os.X_OK)


def client(build):
    return os.path.join(build, 'bin/bench_client')
