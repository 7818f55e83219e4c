"""Paired ratios with bootstrap intervals."""

import math
import random
from dataclasses import dataclass
from statistics import median

_RESAMPLES = 2000
_SEED = 1


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, and the 95 % interval of that median."""
    median: float
    low: float
    high: float
    pairs: int

    def __str__(self):
        return f'{self.median:.3f} ({self.low:.3f}–{self.high:.3f})'

    def inverse(self):
        return Ratio(1 / self.median, 1 / self.high, 1 / self.low, self.pairs)


def paired_ratio(values, reference):
    """Of two lists, one value a round in both; None marks a round in which there is none."""
    logs = [math.log(a / b) for a, b in zip(values, reference) if a and b]
    if not logs:
        return None
    chance = random.Random(_SEED)
    medians = sorted(median(chance.choices(logs, k=len(logs))) for _ in range(_RESAMPLES))
    low, high = medians[int(0.025 * _RESAMPLES)], medians[int(0.975 * _RESAMPLES) - 1]
    return Ratio(math.exp(median(logs)), math.exp(low), math.exp(high), len(logs))
