"""The way to the other side on virtual time, where the load is heavier than what this machine bears of real parts.

Services and storage take the time that `backfill_stage` gives them, and computing takes none: what is measured is the
waiting, for the settle time, for the host's polling, for turns at the services and for other work.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import product

from bench.company import Company
from bench.errors import MeasurementFailed
from bench.figures import Times
from bench.latency import Latency
from bench.processes import open_pool
from bench.stream_stage import StreamStage
from bench.traffic import Doing, Traffic
from local.virtual_time import run_virtually

_REST_SECONDS = 15 * 60
"""After which neither service holds earlier calls against anybody."""

_COMPANY = Company.of(50, visits=10)


def measure_virtual_latency(
    *, settle_times: Sequence[float], rates: Sequence[float], seconds: float, company: Company = _COMPANY
) -> list[Latency]:
    """Each rate, for so long, with each settle time, in both directions; each direction in a process of its own."""
    directions = (Doing.MOVES_EVENT, Doing.MOVES_BOOKING)
    arguments = [(company, doing, settle, tuple(rates), seconds) for settle, doing in product(settle_times, directions)]
    with open_pool(len(directions)) as pool:
        measured = iter(pool.starmap(measure_direction, arguments, chunksize=1))
    return [latency for settle in settle_times for latency in _together(settle, rates, measured)]


def _together(settle_seconds: float, rates: Sequence[float], measured: Iterator[list[Times]]) -> Iterator[Latency]:
    for rate, to_dynamics, to_outlook in zip(rates, next(measured), next(measured), strict=True):
        yield Latency(
            settle_seconds=settle_seconds,
            per_second=rate,
            to_dynamics=to_dynamics,
            to_outlook=to_outlook,
            is_virtual=True,
        )


def measure_direction(
    company: Company, doing: Doing, settle_seconds: float, rates: Sequence[float], seconds: float
) -> list[Times]:
    """What people do on one side, at each rate for so long, one after the other; in this process.

    Raises `MeasurementFailed` when something is never seen on the other side.
    """

    async def measure() -> list[Times]:
        times = []
        async with StreamStage(company, instances=1, settle_seconds=settle_seconds) as stage:
            for rate in rates:
                traffic = Traffic(stage, [doing])
                await traffic.flow(per_second=rate, seconds=seconds)
                await stage.settle()
                if traffic.awaited:
                    raise MeasurementFailed(f"{traffic.awaited} of {traffic.made} moves never came to the other side")
                await asyncio.sleep(_REST_SECONDS)
                times.append(traffic.times())
        return times

    return run_virtually(measure())
