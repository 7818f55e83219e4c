"""The goals of the load generator: what it takes itself for a request, and how late it sends."""

from .goals import Goal
from .results import AMISS, LATENESS

_HTTP = {'http:64x155B': ('wrk', 1.35), 'http:64x155Bx16': ('wrk-pipelined', 1.25)}
_REDIS = ['redis:64x3B', 'redis:64x3Bx16']
_ECHO = 'load:64x64B'
# The bare loop makes 320,000 a second, and eddy 340,000, if so many are due.
_HALF_OF_CAPACITY = 'paced:64x64Bx160000'
_SCHEDULE = 'paced:64x64Bx50000'


def goals():
    for workload, (peer, target) in _HTTP.items():
        yield Goal('requests per CPU second of the client', workload, ['eddy-load-http'], [peer],
                   target, throughput=True)
    for workload in _REDIS:
        yield Goal('requests per CPU second of the client', workload, ['eddy-load-redis'],
                   ['redis-benchmark'], 1.5, throughput=True)
    yield Goal("client's CPU/request, bare client", _ECHO, ['eddy-load'], ['bare-client'], 1.10)
    yield Goal("client's CPU/request, bare client", _ECHO, ['eddy-load-epoll'], ['bare-client'],
               1.10, shown_only=True)
    yield Goal('arrivals that the schedule does not have', _SCHEDULE, ['eddy-load-paced'], [], 0,
               AMISS)
    yield Goal("client's lag p99, bare loop that polls", _HALF_OF_CAPACITY, ['eddy-load-paced'],
               ['bare-client-paced'], 1.5, LATENESS)
