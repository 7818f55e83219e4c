"""The ratios as an SVG: a group a workload, a line a server, a dot at the median and a bar for its
interval, on a logarithmic axis. It takes its colours from the reader's scheme, light or dark."""

import math
from html import escape

_LEFT, _RIGHT, _WIDTH = 190, 150, 860
_LINE, _GAP, _TOP, _BOTTOM = 20, 34, 64, 34
_TICKS = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 6, 8]
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 }
  .small { font-size: 12px; fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .one { stroke: #59636e; stroke-width: 1.5 }
  .eddy { fill: #0969da; stroke: #0969da } .floor { fill: #59636e; stroke: #59636e }
  .peer { fill: #bc4c00; stroke: #bc4c00 }
  .bar { stroke-width: 3; stroke-linecap: round; opacity: .55 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 }
    .grid { stroke: #3d444d } .one { stroke: #9198a1 }
    .eddy { fill: #4493f8; stroke: #4493f8 } .floor { fill: #9198a1; stroke: #9198a1 }
    .peer { fill: #f0883e; stroke: #f0883e } .page { fill: #0d1117 }
  }
"""


def _kind(name):
    return 'eddy' if name.startswith('eddy') else 'floor' if name.startswith('floor') else 'peer'


def _axis(groups):
    """A function from a ratio to x, and the ticks that lie on the axis."""
    ends = [end for _, rows in groups for _, ratio in rows for end in (ratio.low, ratio.high)]
    low, high = min(ends + [0.9]) / 1.04, max(ends + [1.1]) * 1.04
    scale = (_WIDTH - _LEFT - _RIGHT) / math.log(high / low)
    ticks, last = [], -math.inf
    place = lambda ratio: _LEFT + math.log(ratio / low) * scale
    for tick in [1] + [t for t in _TICKS if t != 1]:
        if low <= tick <= high and all(abs(place(tick) - place(other)) > 32 for other in ticks):
            ticks.append(tick)
    return place, sorted(ticks)


def _text(x, y, text, style='', anchor='start'):
    return f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1, x2, y1, y2, style):
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1}" y2="{y2}" class="{style}"/>'


def _row(name, ratio, y, place):
    kind = _kind(name)
    return [_text(_LEFT - 14, y + 4.5, name, anchor='end'),
            _line(place(ratio.low), place(ratio.high), y, y, f'bar {kind}'),
            f'<circle class="{kind}" cx="{place(ratio.median):.1f}" cy="{y}" r="4.5"/>',
            _text(_WIDTH - _RIGHT + 14, y + 4.5, str(ratio), 'small')]


def _grid(place, ticks, bottom):
    for tick in ticks:
        x = place(tick)
        yield _line(x, x, _TOP, bottom, 'one' if tick == 1 else 'grid')
        yield _text(f'{x:.1f}', bottom + 18, f'{tick:g}', 'small', 'middle')


def svg(groups, floor, note):
    """`groups`: (heading, [(server, Ratio)]). Returns the document."""
    groups = [(heading, rows) for heading, rows in groups if rows]
    place, ticks = _axis(groups)
    bottom = _TOP + sum(_GAP + _LINE * len(rows) for _, rows in groups)
    height = bottom + _BOTTOM
    title = f'Server CPU time per request, {floor} = 1 (less is better)'
    body = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}"><style>{_STYLE}</style>',
            f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>',
            _text(14, 26, title, 'title'), _text(14, 46, note, 'small'),
            *_grid(place, ticks, bottom)]
    y = _TOP
    for heading, rows in groups:
        y += _GAP
        body.append(_text(14, y - 12, heading, 'head'))
        for name, ratio in rows:
            body += _row(name, ratio, y, place)
            y += _LINE
    return '\n'.join(body) + '\n</svg>\n'
