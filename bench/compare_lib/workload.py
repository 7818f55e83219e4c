"""A workload: so many connections, so many bytes a request, so many requests in flight on each."""

import re
from dataclasses import dataclass

_UNITS = {'B': 1, 'KiB': 1024, 'MiB': 1024 * 1024}
_PATTERN = re.compile(r'(\d+)x(\d+)(B|KiB|MiB)(?:x(\d+))?')


@dataclass(frozen=True)
class Workload:
    name: str
    connections: int
    size: int
    depth: int


def parse(text):
    """`64x16KiB` or `64x64Bx16`; raises ValueError for anything else."""
    match = _PATTERN.fullmatch(text)
    if not match or 0 in (int(match[1]), int(match[2]), int(match[4] or 1)):
        raise ValueError(f"workload '{text}' is not CONNECTIONSxSIZE[xDEPTH], "
                         'as in 64x16KiB or 64x64Bx16')
    return Workload(text, int(match[1]), int(match[2]) * _UNITS[match[3]], int(match[4] or 1))
