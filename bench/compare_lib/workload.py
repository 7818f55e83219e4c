"""A workload: what is asked for, over so many connections, so many bytes a request, so many requests
in flight on each."""

import re
from dataclasses import dataclass

# mode: (how the client is to go about it, what a workload of it does)
MODES = {
    'tcp': ('tcp', 'echo over TCP connections; need not be written'),
    'unix': ('unix', 'echo over Unix stream sockets'),
    'udp': ('udp', 'echo of datagrams'),
    'connect': ('connect', 'a connection a request, so many under way at a time'),
    'proxy': ('tcp', 'echo over TCP through a proxy, with the echo server on the client\'s core'),
    'broadcast': ('broadcast', 'one message, 16 KiB long, to all connections'),
    'pool': ('tcp', 'echo over TCP by servers on both cores, one of which the client shares'),
    'http': ('', 'HTTP requests by load generators, of which each counts what itself takes'),
    'redis': ('', 'GETs of redis-server, by the same'),
    'load': ('', 'echo over TCP, by the same'),
    'paced': ('', 'the same, as a Poisson process has them, for ten times as long; DEPTH is how many a '
                  'second'),
    'loaded': ('', 'servers for load generators, which are not compared'),
}
_UNITS = {'B': 1, 'KiB': 1024, 'MiB': 1024 * 1024}
_PATTERN = re.compile(rf'(?:({"|".join(MODES)}):)?(\d+)x(\d+)(B|KiB|MiB)(?:x(\d+))?')


@dataclass(frozen=True)
class Workload:
    name: str
    mode: str
    connections: int
    size: int
    depth: int

    @property
    def client_mode(self):
        return MODES[self.mode][0]


def parse(text):
    """`64x16KiB`, `64x64Bx16` or `udp:8x64Bx16`; raises ValueError for anything else."""
    match = _PATTERN.fullmatch(text)
    if not match or 0 in (int(match[2]), int(match[3]), int(match[5] or 1)):
        raise ValueError(f"workload '{text}' is not [MODE:]CONNECTIONSxSIZE[xDEPTH], "
                         'as in 64x16KiB, 64x64Bx16 or udp:8x64Bx16')
    return Workload(text, match[1] or 'tcp', int(match[2]), int(match[3]) * _UNITS[match[4]],
                    int(match[5] or 1))


def described():
    return '\n'.join(f'  {mode:<10} {what}' for mode, (_, what) in MODES.items())
