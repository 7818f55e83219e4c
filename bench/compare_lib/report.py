"""The tables that are printed."""

from .results import SYSCALLS


def _number(value):
    if value is None:
        return '–'
    if value >= 1000:
        return f'{value:,.0f}'
    return f'{value:.2f}' if value >= 10 else f'{value:.3f}'


def _millions(value):
    return None if value is None else value / 1e6


def columns(rows, right_from=1):
    """Rows of text, aligned: the columns before `right_from` to the left, the rest to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(cell.ljust(w) if i < right_from else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def workload_table(results, workload, names, floor):
    """One workload: the medians of every server, and its CPU per request against the floor's."""
    rows = [('server', 'req/s', 'CPU µs/req', f'CPU / {floor}', 'MB per CPU s', 'syscalls/req',
             'p50 µs', 'p99 µs')]
    for name in names:
        median = lambda figure: results.median(workload.name, name, figure)
        if median('requests') is None:
            continue
        ratio = results.ratio(workload.name, name, floor)
        rows.append((name, _number(median('requests_per_s')), _number(median('cpu_us_per_request')),
                     str(ratio) if ratio and name != floor else '1' if ratio else '–',
                     _number(_millions(median('bytes_per_cpu_s'))), _number(median(SYSCALLS)),
                     _number(median('p50_us')), _number(median('p99_us'))))
    return f'\n{workload.name}\n' + columns(rows)


def failures(results):
    return '\n'.join(f"failed: {f['server']}, {f['workload']}, round {f['round']}: {f['error']}"
                     for f in results.failures)
