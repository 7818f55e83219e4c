"""The servers that can be compared: how each is started from a build folder."""

import os
import shutil
from dataclasses import dataclass, field

_ECHO = ['echo', '--listen', '127.0.0.1:PORT', '--stats', '--backend']
_UNIX = ['echo', '--listen', 'unix:@eddy-bench-PORT', '--stats', '--backend']
_UDP = ['echo', '--udp', '127.0.0.1:PORT', '--stats', '--backend']
_PROXY = ['proxy', '--listen', '127.0.0.1:PORT', '--to', '127.0.0.1:TARGET', '--backend']
_PEERS_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../peers')
_LOAD = ['-c', 'CONNECTIONS', '-d', 'SECONDSs', '--warmup', '0', '--json']
_LOAD_ECHO = ['load', 'tcp://127.0.0.1:TARGET', '--size', 'SIZE', *_LOAD]
_DEPTH = ['--depth', 'DEPTH']
_BARE_CLIENT = ['--port', 'TARGET', '--conns', 'CONNECTIONS', '--size', 'SIZE', '--warmup', '0',
                '--duration', 'SECONDS', '--json']
_WRK = ['-t1', '-cCONNECTIONS', '-dSECONDSs', '--latency']
_HAPROXY = ['-db', '-f', os.path.join(_PEERS_FOLDER, 'haproxy.cfg')]


@dataclass(frozen=True)
class Server:
    program: str     # in the build folder's bin, else the system's
    # PORT stands for the port to serve, TARGET for that of a proxy's or a generator's server; and
    # for generators what their workload is: CONNECTIONS, SIZE, DEPTH, SECONDS, REQUESTS.
    arguments: list
    what: str
    mode: str = 'tcp'  # of the workloads that it serves
    processes: int = 1
    listeners: int = 1  # sockets that listen, once it is up
    environment: dict = field(default_factory=dict)
    loads: str = ''  # the server that it loads: then it is a load generator


_CATALOG = {
    'floor-epoll': Server('floor_epoll', ['PORT'], 'bare epoll loop, reads of 64 KiB'),
    'floor-epoll-seam': Server('floor_epoll_seam', ['PORT'],
                               'the same loop through the kernel seam'),
    'floor-epoll-256k': Server('floor_epoll', ['PORT', 'buffer=262144'],
                               'the same, reads of 256 KiB'),
    'floor-epoll-512k': Server('floor_epoll', ['PORT', 'buffer=524288'],
                               'the same, reads of 512 KiB'),
    'floor-uring': Server('floor_uring', ['PORT'], 'bare io_uring loop, 4 segments of 256 KiB'),
    'floor-uring-2x512k': Server('floor_uring', ['PORT', 'segments=2', 'size=524288'],
                                 'the same, 2 of 512 KiB'),
    'floor-uring-8x256k': Server('floor_uring', ['PORT', 'segments=8'],
                                 'the same, 8 of 256 KiB'),
    'floor-uring-unordered': Server(
        'floor_uring', ['PORT', 'ordered=0'],
        'the same, several sends of a stream under way, which may reorder it'),
    'eddy-epoll': Server('eddy', [*_ECHO, 'epoll'], 'eddy on epoll'),
    'eddy-uring': Server('eddy', [*_ECHO, 'uring'], 'eddy on io_uring'),
    'eddy-uring-wait': Server('eddy', [*_ECHO, 'uring', '--min-wait-us', '50'],
                              'the same, letting requests gather for 50 µs'),
    'eddy-epoll-coroutine': Server('eddy', [*_ECHO, 'epoll', '--coroutine'],
                                   'eddy on epoll, a coroutine a connection'),
    'eddy-uring-coroutine': Server('eddy', [*_ECHO, 'uring', '--coroutine'],
                                   'eddy on io_uring, a coroutine a connection'),
    'libuv': Server('peer_libuv', ['PORT'], 'libuv'),
    'libevent': Server('peer_libevent', ['PORT'], 'libevent, bufferevents'),
    'asio': Server('peer_asio', ['PORT'], 'standalone Asio'),
    'libev': Server('peer_libev', ['PORT'], 'libev, bare callbacks'),

    'floor-epoll-unix': Server('floor_epoll', ['PORT', 'unix=1'], 'bare epoll loop', 'unix'),
    'floor-uring-unix': Server('floor_uring', ['PORT', 'unix=1'], 'bare io_uring loop', 'unix'),
    'eddy-epoll-unix': Server('eddy', [*_UNIX, 'epoll'], 'eddy on epoll', 'unix'),
    'eddy-uring-unix': Server('eddy', [*_UNIX, 'uring'], 'eddy on io_uring', 'unix'),

    'floor-udp': Server('floor_udp', ['PORT'], 'bare loop of recvmmsg and sendmmsg', 'udp'),
    'floor-udp-epoll': Server('floor_udp', ['PORT', 'epoll=1'], 'the same, waiting in epoll',
                              'udp'),
    'floor-udp-segments': Server('floor_udp', ['PORT', 'segments=1'],
                                 'the same as the first, with UDP_GRO and UDP_SEGMENT', 'udp'),
    'eddy-epoll-udp': Server('eddy', [*_UDP, 'epoll'], 'eddy on epoll', 'udp'),
    'eddy-uring-udp': Server('eddy', [*_UDP, 'uring'], 'eddy on io_uring', 'udp'),
    'eddy-epoll-udp-segments': Server('eddy_udp_segments', ['PORT', 'epoll'],
                                      'the same, with UDP_GRO and UDP_SEGMENT', 'udp'),
    'eddy-uring-udp-segments': Server('eddy_udp_segments', ['PORT', 'uring'],
                                      'the same on io_uring', 'udp'),
    'libuv-udp': Server('peer_libuv_udp', ['PORT'], 'libuv, receiving by recvmmsg', 'udp'),

    'floor-connect': Server('floor_connect', ['PORT'],
                            'bare epoll loop: accept, read, write, close', 'connect'),
    'floor-connect-eager': Server('floor_connect', ['PORT', 'eager=1'],
                                  'the same, reading before it asks epoll', 'connect'),
    'eddy-epoll-connect': Server('eddy_connect', ['PORT', 'epoll'], 'eddy on epoll', 'connect'),
    'eddy-uring-connect': Server('eddy_connect', ['PORT', 'uring'], 'eddy on io_uring',
                                 'connect'),

    'haproxy': Server('haproxy', _HAPROXY, 'HAProxy, TCP mode, splice-auto', 'proxy',
                      environment={'SPLICE': 'auto'}),
    'haproxy-always': Server('haproxy', _HAPROXY, 'the same, always splicing', 'proxy',
                             environment={'SPLICE': 'always'}),
    'eddy-epoll-proxy': Server('eddy', [*_PROXY, 'epoll'], 'eddy on epoll', 'proxy'),
    'eddy-uring-proxy': Server('eddy', [*_PROXY, 'uring'], 'eddy on io_uring', 'proxy'),

    'floor-http': Server('floor_http', ['PORT'], 'bare epoll loop, always the same answer',
                         'loaded'),
    'eddy-queue': Server('eddy_queue', ['PORT', 'MODEL', 'MEAN', 'SEED'],
                         'answers at times that are known: MODEL is delay, md1 or mm1', 'loaded'),
    'redis-server': Server('redis-server', ['--port', 'PORT', '--bind', '127.0.0.1', '--save', ''],
                           'redis-server, which stores nothing on disk', 'loaded'),
    'wrk': Server('wrk', [*_WRK, 'http://127.0.0.1:TARGET/'], 'wrk, one thread', 'http',
                  loads='floor-http'),
    'wrk-pipelined': Server('wrk', [*_WRK, '-s', os.path.join(_PEERS_FOLDER, 'wrk_pipeline.lua'),
                                    'http://127.0.0.1:TARGET/', '--', 'DEPTH'],
                            'the same, several requests at once by a script', 'http',
                            loads='floor-http'),
    'eddy-load-http': Server('eddy', ['load', 'http://127.0.0.1:TARGET/', *_LOAD, *_DEPTH],
                             'eddy load', 'http', loads='floor-http'),
    'redis-benchmark': Server('redis-benchmark',
                              ['-p', 'TARGET', '-c', 'CONNECTIONS', '-P', 'DEPTH', '-n', 'REQUESTS',
                               '-t', 'get', '-r', '100000', '--csv'], 'redis-benchmark', 'redis',
                              loads='redis-server'),
    'eddy-load-redis': Server('eddy', ['load', 'redis://127.0.0.1:TARGET', '--keys', '100000',
                                       *_LOAD, *_DEPTH], 'eddy load', 'redis',
                              loads='redis-server'),
    'bare-client': Server('bench_client', [*_BARE_CLIENT, *_DEPTH],
                          'bare epoll loop of a client', 'load', loads='floor-epoll'),
    'eddy-load': Server('eddy', [*_LOAD_ECHO, *_DEPTH], 'eddy load on the backend that it chooses',
                        'load', loads='floor-epoll'),
    'eddy-load-epoll': Server('eddy', [*_LOAD_ECHO, *_DEPTH, '--backend', 'epoll'],
                              'the same on epoll', 'load', loads='floor-epoll'),
    'bare-client-paced': Server('bench_client',
                                [*_BARE_CLIENT, '--mode', 'paced', '--rate', 'DEPTH'],
                                'bare epoll loop that polls for the next moment', 'paced',
                                loads='floor-epoll'),
    'eddy-load-paced': Server('eddy', [*_LOAD_ECHO, '-R', 'DEPTH', '--arrivals', 'poisson'],
                              'eddy load', 'paced', loads='floor-epoll'),

    'libevent-broadcast': Server('peer_libevent_broadcast', ['PORT'],
                                 'libevent, evbuffer_add_reference', 'broadcast'),
    'eddy-epoll-broadcast': Server('eddy_broadcast', ['PORT', 'epoll'], 'eddy on epoll',
                                   'broadcast'),
    'eddy-uring-broadcast': Server('eddy_broadcast', ['PORT', 'uring'], 'eddy on io_uring',
                                   'broadcast'),

    'eddy-epoll-processes': Server('eddy_process', ['PORT', 'epoll'],
                                   'two processes, a core and a listener each, on epoll', 'pool',
                                   processes=2, listeners=2),
    'eddy-uring-processes': Server('eddy_process', ['PORT', 'uring'],
                                   'the same on io_uring', 'pool', processes=2, listeners=2),
    'eddy-epoll-pool': Server('eddy_pool', ['PORT', 'epoll'], 'ReactorPool of 2 on epoll', 'pool',
                              listeners=2),
    'eddy-uring-pool': Server('eddy_pool', ['PORT', 'uring'], 'the same on io_uring', 'pool',
                              listeners=2),
}

NAMES = list(_CATALOG)
EPOLL_FLOORS = ['floor-epoll', 'floor-epoll-256k', 'floor-epoll-512k']
URING_FLOORS = ['floor-uring', 'floor-uring-2x512k', 'floor-uring-8x256k']
EDDY = ['eddy-epoll', 'eddy-uring']
PEERS = ['libuv', 'libevent', 'asio', 'libev']
# What the servers of a mode are shown against, unless the user names another.
_REFERENCES = {'tcp': 'floor-epoll', 'unix': 'floor-epoll-unix', 'udp': 'floor-udp',
               'connect': 'floor-connect', 'proxy': 'haproxy', 'broadcast': 'libevent-broadcast',
               'pool': 'eddy-epoll-processes', 'http': 'wrk', 'redis': 'redis-benchmark',
               'load': 'bare-client', 'paced': 'bare-client-paced'}


def catalogued(name):
    return _CATALOG[name]


def program(build, name):
    own = os.path.join(build, 'bin', _CATALOG[name].program)
    return own if os.path.exists(own) else shutil.which(
        _CATALOG[name].program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or own


def command(build, name, places):
    return [program(build, name)] + [_filled(a, places) for a in _CATALOG[name].arguments]


def _filled(argument, places):
    for place, value in places.items():
        argument = argument.replace(place, str(value))
    return argument


def is_built(build, name):
    return os.access(program(build, name), os.X_OK)


def of_mode(mode, names):
    return [name for name in names if _CATALOG[name].mode == mode]


def reference(mode, names, wanted):
    """What the ratios of these servers are to; `names` are not empty."""
    for name in (wanted, _REFERENCES[mode]):
        if name in names:
            return name
    return names[0]


def client(build):
    return os.path.join(build, 'bin', 'bench_client')


def described():
    return '\n'.join(f'  {name:<23} {server.mode:<10} {server.what}'
                     for name, server in _CATALOG.items())
