"""Service protection limits of the Dataverse simulator, and the headers by which the service speaks of load."""

import asyncio

import httpx
import pytest

from local.switchboard import Fault
from tests.local.dataverse_environment import Environment, refusal

WHO = "/WhoAmI"


def throttled(response: httpx.Response) -> tuple[str, int]:
    """Code and seconds to wait of a 429."""
    status, code = refusal(response)
    assert status == 429
    return code, int(response.headers["retry-after"])


async def test_too_many_requests_in_the_window_are_refused_until_it_has_moved_on() -> None:
    dataverse = Environment(max_requests=3)
    for left in ("2", "1", "0"):
        response = await dataverse.app.get(WHO)
        assert response.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == left
        dataverse.board.clock.advance(10)
    assert throttled(await dataverse.app.get(WHO)) == ("0x80072322", 270)
    dataverse.board.clock.advance(269)
    code, wait = throttled(await dataverse.app.get(WHO))
    assert (code, wait) == ("0x80072322", 2)
    dataverse.board.clock.advance(2)
    assert (await dataverse.app.get(WHO)).status_code == 200


async def test_pressing_during_the_wait_makes_it_longer() -> None:
    dataverse = Environment(max_requests=1)
    await dataverse.app.get(WHO)
    waits = [throttled(await dataverse.app.get(WHO))[1] for _ in range(4)]
    assert waits == [300, 301, 302, 303]


async def test_the_limits_of_one_caller_are_not_those_of_another() -> None:
    dataverse = Environment(max_requests=1)
    await dataverse.app.get(WHO)
    assert (await dataverse.app.get(WHO)).status_code == 429
    assert (await dataverse.person.get(WHO)).status_code == 200


async def test_run_time_has_its_own_limit_and_code() -> None:
    dataverse = Environment(max_execution_seconds=2, execution_seconds=1)
    assert (await dataverse.app.get(WHO)).headers["x-ms-ratelimit-time-remaining-xrm-requests"] == "1.00"
    await dataverse.app.get(WHO)
    assert throttled(await dataverse.app.get(WHO)) == ("0x80072321", 300)
    dataverse.board.clock.advance(301)
    assert (await dataverse.app.get(WHO)).status_code == 200


async def test_the_fifty_third_concurrent_request_is_refused() -> None:
    entered, leave = asyncio.Semaphore(0), asyncio.Event()

    async def hold(_: float) -> None:
        entered.release()
        await leave.wait()

    dataverse = Environment(sleep=hold)
    dataverse.board.faults.append(Fault(kind="WhoAmI", times=52, delay_seconds=1))
    held = [asyncio.create_task(dataverse.app.get(WHO)) for _ in range(52)]
    for _ in range(52):
        await entered.acquire()
    assert throttled(await dataverse.app.get(WHO)) == ("0x80072326", 2)
    leave.set()
    assert {response.status_code for response in await asyncio.gather(*held)} == {200}
    assert (await dataverse.app.get(WHO)).status_code == 200


@pytest.mark.parametrize(("limit", "code"), [("max_requests", "-2147015902"), ("max_concurrent", "-2147015898")])
async def test_the_code_may_come_as_a_signed_decimal_and_without_retry_after(limit: str, code: str) -> None:
    dataverse = Environment(throttle_code_form="decimal", send_retry_after=False)
    dataverse.board.set_switches({limit: 0})
    response = await dataverse.app.get(WHO)
    assert refusal(response) == (429, code)
    assert "retry-after" not in response.headers


async def test_a_client_that_returns_the_affinity_cookie_stays_on_one_server() -> None:
    dataverse = Environment(web_servers=2, max_requests=2)
    response = await dataverse.app.get(WHO)
    assert response.headers["set-cookie"].startswith("ARRAffinity=")
    served = 1
    while response.status_code == 200:
        response = await dataverse.app.get(WHO)
        served += response.status_code == 200
    assert served == 2
    state = (await dataverse.app.get("http://dataverse.local/_control/state")).json()
    assert state["cookies_returned"] == 2


async def test_a_client_that_drops_cookies_spreads_over_the_servers() -> None:
    dataverse = Environment(web_servers=2, max_requests=2)
    for _ in range(4):
        dataverse.app.cookies.clear()
        assert (await dataverse.app.get(WHO)).status_code == 200
    dataverse.app.cookies.clear()
    assert (await dataverse.app.get(WHO)).status_code == 429
    state = (await dataverse.app.get("http://dataverse.local/_control/state")).json()
    assert state["cookies_returned"] == 0


async def test_every_answer_carries_request_ids_and_the_hint_for_parallelism() -> None:
    dataverse = Environment(dop_hint=4)
    for response in (await dataverse.app.get(WHO), await dataverse.app.get("/nothing")):
        assert response.headers["x-ms-dop-hint"] == "4"
        assert response.headers["req_id"] == response.headers["x-ms-service-request-id"]
