"""The ratios as an SVG: a group a workload, a line a server, a dot at the median and a bar for its
interval, on a logarithmic axis. It takes its colours from the reader's scheme, light or dark."""

import math
from html import escape

_LEFT, _RIGHT, _WIDTH = 190, 150, 860
_LINE, _GAP, _TOP, _BOTTOM = 20, 34, 64, 34
_TICKS = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 4, 6, 8]
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 } .head { font-weight: 600 } .small { font-size: 12px; fill: #59636e }
  .grid { stroke: #d1d9e0; stroke-width: 1 } .one { stroke: #59636e; stroke-width: 1.5 }
  .eddy { fill: #0969da; stroke: #0969da } .floor { fill: #59636e; stroke: #59636e }
  .peer { fill: #bc4c00; stroke: #bc4c00 } .bar { stroke-width: 3; stroke-linecap: round; opacity: .55 }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
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


def _row(name, ratio, y, place):
    kind = _kind(name)
    return (f'<text x="{_LEFT - 14}" y="{y + 4.5}" text-anchor="end">{escape(name)}</text>'
            f'<line class="bar {kind}" x1="{place(ratio.low):.1f}" x2="{place(ratio.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{kind}" cx="{place(ratio.median):.1f}" cy="{y}" r="4.5"/>'
            f'<text class="small" x="{_WIDTH - _RIGHT + 14}" y="{y + 4.5}">{escape(str(ratio))}</text>')


def svg(groups, floor, note):
    """`groups`: (heading, [(server, Ratio)]). Returns the document."""
    groups = [(heading, rows) for heading, rows in groups if rows]
    place, ticks = _axis(groups)
    height = _TOP + sum(_GAP + _LINE * len(rows) for _, rows in groups) + _BOTTOM
    body, y = [], _TOP
    for tick in ticks:
        x = f'{place(tick):.1f}'
        body.append(f'<line class="{"one" if tick == 1 else "grid"}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{height - _BOTTOM}"/>'
                    f'<text class="small" x="{x}" y="{height - _BOTTOM + 18}" text-anchor="middle">{tick:g}</text>')
    for heading, rows in groups:
        y += _GAP
        body.append(f'<text class="head" x="14" y="{y - 12}">{escape(heading)}</text>')
        for name, ratio in rows:
            body.append(_row(name, ratio, y, place))
            y += _LINE
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">'
            f'<style>{_STYLE}</style><rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>'
            f'<text class="title" x="14" y="26">Server CPU time per request, {escape(floor)} = 1 (less is better)</text>'
            f'<text class="small" x="14" y="46">{escape(note)}</text>\n' + '\n'.join(body) + '\n</svg>\n')
