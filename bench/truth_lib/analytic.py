"""What must come out: response times of queues and of a server that stood still, calculated.

Nothing here is eddy's: M/M/1 by its closed form, M/D/1 by Erlang's sum ("The theory of
probabilities and telephone conversations", 1909), which alternates and so is added up with 80
digits.
"""

import math
from decimal import Decimal, localcontext


def mm1_quantile(mean, utilisation, percent):
    """Exponential, with mean 1 / (service rate - arrival rate)."""
    return -math.log(1 - percent / 100) * mean / (1 - utilisation)


def _md1_waits(utilisation, wait):
    """The fraction of requests that wait at most `wait` service times."""
    with localcontext() as context:
        context.prec = 80
        rho, x = Decimal(utilisation), Decimal(wait)
        total, factorial = Decimal(0), Decimal(1)
        for k in range(int(wait) + 1):
            factorial *= k or 1
            power = rho * (k - x)
            total += (-power).exp() * (power ** k if k else 1) / factorial
        return float((1 - rho) * total)


def md1_quantile(mean, utilisation, percent):
    low, high = 0.0, 200.0
    if _md1_waits(utilisation, 0) >= percent / 100:
        return mean
    while high - low > 1e-7:
        middle = (low + high) / 2
        if _md1_waits(utilisation, middle) < percent / 100:
            low = middle
        else:
            high = middle
    return (low + 1) * mean


def quantile(sorted_values, percent):
    """As HdrHistogram counts."""
    rank = max(math.ceil(percent / 100 * len(sorted_values) - 1e-9), 1)
    return sorted_values[rank - 1]


def stopped_responses(rate, seconds, delay, stop_from, stop_for):
    """The response times, sorted, of requests at equal distances to a server that answers each
    after `delay`, and does nothing for a while."""
    end = stop_from + stop_for
    def response(sent):
        read = end if stop_from <= sent < end else sent
        answered = read + delay
        return (end if stop_from <= answered < end else answered) - sent
    return sorted(response(i / rate) for i in range(int(rate * seconds)))
