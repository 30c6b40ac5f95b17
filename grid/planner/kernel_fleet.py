"""Stored plans of many cars under shared prices, compiled: their soft mixture and its rounding to one plan a car.

Arrays run over plans first and cars last, [K, S, N] with cars of a kind side by side, so that the loops over cars
vectorise; they are walked in blocks that stay in the cache.
"""

import numpy as np

from grid.planner.compiled import compiled, summing

BLOCK = 128
COLD = 30.0  # a plan this many warmths dearer than the best gets no share


@summing
def soft_shares(used, cost, net, price, warmth, begin, count, total, share):
    """Mix the plans of one block of cars of a kind; returns the sums of their soft and of their hard minima."""
    width = net.shape[1]
    least = total[used]
    whole = total[used + 1]
    for i in range(count):
        least[i] = np.inf
        whole[i] = 0.0
    for k in range(used):
        sums = total[k]
        own = cost[k, begin : begin + count]
        for i in range(count):
            sums[i] = own[i]
        for s in range(width):
            rate = price[s]
            power = net[k, s, begin : begin + count]
            for i in range(count):
                sums[i] += rate * power[i]
        for i in range(count):
            least[i] = min(least[i], sums[i])
    for k in range(used):
        sums = total[k]
        part = share[k, begin : begin + count]
        for i in range(count):
            above = (sums[i] - least[i]) / warmth
            part[i] = np.exp(-above) if above < COLD else 0.0
            whole[i] += part[i]
    hard = 0.0
    softer = 0.0
    for i in range(count):
        hard += least[i]
        if whole[i] > 1.0:
            softer += warmth * np.log(whole[i])
        whole[i] = 1.0 / whole[i]
    for k in range(used):
        part = share[k, begin : begin + count]
        for i in range(count):
            part[i] *= whole[i]
    return hard - softer, hard


@summing
def gather(used, net, share, begin, count, middle, mean, spread, want_spread):
    """Add the mixed power of one block to `mean` [S] and, where wanted, its covariances to `spread` [S, S]."""
    width = net.shape[1]
    for s in range(width):
        middle[s, :count] = 0.0
    for k in range(used):
        part = share[k, begin : begin + count]
        if part.max() == 0.0:
            continue
        for s in range(width):
            power = net[k, s, begin : begin + count]
            mid = middle[s]
            for i in range(count):
                mid[i] += part[i] * power[i]
            if want_spread:
                for r in range(s + 1):
                    other = net[k, r, begin : begin + count]
                    both = 0.0
                    for i in range(count):
                        both += part[i] * power[i] * other[i]
                    spread[s, r] += both
    for s in range(width):
        mid = middle[s]
        for i in range(count):
            mean[s] += mid[i]
        if want_spread:
            for r in range(s + 1):
                low = middle[r]
                both = 0.0
                for i in range(count):
                    both += mid[i] * low[i]
                spread[s, r] -= both


@compiled
def soft_mixture(used, cost, net, edges, price, warmth, every, mean, spread, share):
    """Mix each car's first `used` plans by how good they are under `price`; returns the sums of minima by kind, [C, 2].

    `cost` [K, N] is what each plan costs without the price, `net` [K, S, N] its power in the watched slots; cars
    edges[c]:edges[c+1] are of kind c, and `price` [C, S] is what a kW costs them. The softness `warmth` is a cost:
    plans dearer than the best by many times it get no share. The sums are of soft and of hard minima. `mean` [C, S]
    gets the mixed power of each kind, `spread` [C, S, S] the sum of its covariances, estimated from every `every`-th
    block (none if 0), `share` [K, N] the shares.
    """
    kinds, width = price.shape
    total, middle = np.empty((used + 2, BLOCK)), np.empty((width, BLOCK))
    value = np.zeros((kinds, 2))
    for c in range(kinds):
        mean[c, :] = 0.0
        spread[c, :, :] = 0.0
        seen = 0
        for begin in range(edges[c], edges[c + 1], BLOCK):
            count = min(BLOCK, edges[c + 1] - begin)
            soft, hard = soft_shares(used, cost, net, price[c], warmth, begin, count, total, share)
            value[c, 0] += soft
            value[c, 1] += hard
            want_spread = every > 0 and (begin - edges[c]) // BLOCK % every == 0
            gather(used, net, share, begin, count, middle, mean[c], spread[c], want_spread)
            seen += count if want_spread else 0
        if seen > 0:
            spread[c] *= (edges[c + 1] - edges[c]) / seen
    return value


@compiled
def balance(order, used, share, net, kind, off, pick):
    """Pick one plan a car so that the running sum of each kind follows the running mixture.

    Walks the cars in `order`; `off` [C, S] is how far the sums are from the mixture, `pick` [N] gets the plans. The sum
    stays within about a car of the mixture in every slot, however many cars there are.
    """
    width = net.shape[1]
    middle = np.empty(width)
    for i in order:
        c = kind[i]
        for s in range(width):
            middle[s] = 0.0
            for k in range(used):
                middle[s] += share[k, i] * net[k, s, i]
        best = np.inf
        for k in range(used):
            if share[k, i] > 1e-6:
                miss = 0.0
                for s in range(width):
                    gone = off[c, s] + net[k, s, i] - middle[s]
                    miss += gone * gone
                if miss < best:
                    best = miss
                    pick[i] = k
        for s in range(width):
            off[c, s] += net[pick[i], s, i] - middle[s]
