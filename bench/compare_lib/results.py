"""All runs of a comparison, and the questions that a report asks of them."""

from statistics import median

from .statistics import paired_ratio

CPU = 'cpu_us_per_request'
SYSCALLS = 'syscalls_per_request'
COPIED = 'copied_per_request'
LATENESS = 'lateness_p99_us'  # of generators that send by a schedule, since each could be sent
AMISS = 'arrivals_amiss'      # … of eddy's: requests that were made and not meant, or the reverse


class Results:
    def __init__(self):
        self.runs = []      # dicts: round, workload, server, and the figures of measure.run
        self.failures = []  # dicts: round, workload, server, error
        self.interrupted = False

    def add(self, round_number, workload, server, figures):
        self.runs.append({'round': round_number, 'workload': workload.name, 'server': server,
                          **figures})

    def fail(self, round_number, workload, server, error):
        self.failures.append({'round': round_number, 'workload': workload.name, 'server': server,
                              'error': str(error)})

    def _by_round(self, workload, server, figure):
        return {run['round']: run.get(figure) for run in self.runs
                if run['workload'] == workload and run['server'] == server}

    def median(self, workload, server, figure):
        """None where no run has the figure."""
        values = [v for v in self._by_round(workload, server, figure).values() if v is not None]
        return median(values) if values else None

    def worst(self, workload, server, figure):
        """The largest of any run; None where no run has the figure."""
        values = self._by_round(workload, server, figure).values()
        return max((v for v in values if v is not None), default=None)

    def ratio(self, workload, server, reference, figure=CPU):
        """Of the runs that both have in the same round; None where there are none."""
        ours, theirs = (self._by_round(workload, s, figure) for s in (server, reference))
        rounds = sorted(ours.keys() & theirs.keys())
        return paired_ratio([ours[r] for r in rounds], [theirs[r] for r in rounds])

    def best(self, workload, candidates, figure=CPU):
        """The one with the lowest median; None where none was measured."""
        medians = {server: self.median(workload, server, figure) for server in candidates}
        measured = [server for server in candidates if medians[server] is not None]
        return min(measured, key=medians.get, default=None)

    def load(self, cores):
        """The shares of the machine's time that others, and its host, took during the runs."""
        others = [run['machine_busy']
                  - (run['server_cpu_ns'] + run['client_cpu_ns']) / 1e9 / run['seconds']
                  for run in self.runs]
        steal = [run['machine_steal'] for run in self.runs]
        if not self.runs:
            return 'nothing was measured'
        lost = sum(run['lost'] for run in self.runs)
        return (f'other programs used {max(median(others), 0):.2f} of {cores} cores (median run), '
                f'the host took {sum(steal) / len(steal):.3f} (mean), {max(steal):.3f} (worst)'
                + (f'; {lost} datagrams were lost' if lost else ''))
