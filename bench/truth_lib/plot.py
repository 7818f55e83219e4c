"""Latency by percentile as an SVG: a plot for each story, a line for each who tells it, both axes
logarithmic, the horizontal one in what lies beyond. It takes its colours from the reader's scheme,
light or dark."""

import math
from html import escape

_WIDTH, _HEIGHT = 860, 360  # of a plot
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 40, 66, 46
_HEAD = 34
_NINES = [0, 50, 90, 99, 99.9, 99.99, 99.999]
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .page { fill: #ffffff }
  polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
  .truth { stroke: #59636e; stroke-width: 7; opacity: .35 }
  .eddy { stroke: #0969da } .wrk { stroke: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d }
    .page { fill: #0d1117 } .truth { stroke: #9198a1 }
    .eddy { stroke: #4493f8 } .wrk { stroke: #f0883e }
  }
"""


def _text(x, y, text, style='', anchor='start'):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
            f'{escape(text)}</text>')


def _grid_line(x1, x2, y1, y2):
    return f'<line class="grid" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _duration(us):
    return f'{us:g} µs' if us < 1000 else f'{us / 1000:g} ms'


class _Axes:
    """Of the plot that begins at `top`."""

    def __init__(self, curves, top):
        self.top, self.bottom = top + _TOP, top + _HEIGHT - _BOTTOM
        self._last = max(p for curve in curves for p, _ in curve if p < 100)
        values = [value for curve in curves for _, value in curve if value > 0]
        self._low = 10 ** math.floor(math.log10(min(values)))
        self._high = 10 ** math.ceil(math.log10(max(values)))

    def x(self, percent):
        nines = -math.log10(1 - min(percent, self._last) / 100)
        return _LEFT + nines / -math.log10(1 - self._last / 100) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, us):
        share = math.log(max(us, self._low) / self._low) / math.log(self._high / self._low)
        return self.bottom - share * (self.bottom - self.top)

    def grid(self):
        for percent in (p for p in _NINES if p <= self._last):
            x = self.x(percent)
            yield _grid_line(x, x, self.top, self.bottom)
            yield _text(x, self.bottom + 18, f'{percent:g} %', 'small', 'middle')
        us = self._low
        while us <= self._high:
            yield _grid_line(_LEFT, _WIDTH - _RIGHT, self.y(us), self.y(us))
            yield _text(_LEFT - 8, self.y(us) + 4, _duration(us), 'small', 'end')
            us *= 10


def _plot(story, top):
    curves = {name: told['curve'] for name, told in story['told'].items()}
    axes = _Axes(curves.values(), top)
    yield _text(14, top + 24, story['what'][0].upper() + story['what'][1:], 'head')
    yield from axes.grid()
    for i, (name, curve) in enumerate(curves.items()):
        x, y, style = _LEFT + 150 * i, axes.top - 16, name.split()[0]
        points = ' '.join(f'{axes.x(p):.1f},{axes.y(value):.1f}' for p, value in curve)
        yield f'<polyline class="{style}" points="{points}"/>'
        yield f'<polyline class="{style}" points="{x},{y} {x + 24},{y}"/>'
        yield _text(x + 32, y + 4, name)


def svg(stories, note):
    """Of tools.Story, as dicts, that have curves. Returns the document."""
    height = _HEAD + 24 + _HEIGHT * len(stories)
    body = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}"><style>{_STYLE}</style>',
            f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>',
            _text(14, 26, 'Latency by percentile', 'title'), _text(14, 46, note, 'small')]
    for i, story in enumerate(stories):
        body += _plot(story, _HEAD + 24 + _HEIGHT * i)
    return '\n'.join(body) + '\n</svg>\n'
