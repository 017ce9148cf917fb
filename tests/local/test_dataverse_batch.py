"""`$batch` of the Dataverse simulator: order, change sets, the two ways to fail, and what is malformed."""

import email
import json
from email.message import Message
from typing import Any

import httpx
import pytest

from local.sample import guid
from local.switchboard import Fault
from tests.local.dataverse_environment import ADA, ROOT, SAMPLE, Environment, bind_status, refusal

BOOKINGS = "/api/data/v9.2/bookableresourcebookings"
ABSENT = guid("a booking that is not there")


def operation(method: str, target: str, body: Any = None, **headers: str) -> str:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id := headers.pop("content_id", ""):
        lines.append(f"Content-ID: {content_id}")
    lines += [
        "",
        f"{method} {target} HTTP/1.1",
        *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
    ]
    if body is not None:
        lines += ["Content-Type: application/json; type=entry", "", json.dumps(body)]
    else:
        lines += ["", ""]
    return "\r\n".join(lines)


def change_set(*operations: str, boundary: str = "changeset_1") -> str:
    inner = "".join(f"--{boundary}\r\n{one}\r\n" for one in operations)
    return f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n{inner}--{boundary}--\r\n'


async def post(dataverse: Environment, *parts: str, prefer: str = "", body: str | None = None) -> httpx.Response:
    content = body if body is not None else "".join(f"--batch_1\r\n{part}\r\n" for part in parts) + "--batch_1--\r\n"
    headers = {"Content-Type": 'multipart/mixed; boundary="batch_1"', **({"Prefer": prefer} if prefer else {})}
    return await dataverse.app.post("/$batch", content=content.encode(), headers=headers)


def parts_of(content_type: str, content: bytes) -> list[Message]:
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    assert message.is_multipart()
    return [part for part in message.walk() if part.get_content_type() == "application/http"]


def statuses(response: httpx.Response) -> list[int]:
    return [
        int(str(part.get_payload()).split()[1]) for part in parts_of(response.headers["content-type"], response.content)
    ]


def bodies(response: httpx.Response) -> list[Any]:
    payloads = [str(part.get_payload()) for part in parts_of(response.headers["content-type"], response.content)]
    texts = [payload.replace("\r\n", "\n").partition("\n\n")[2].strip() for payload in payloads]
    return [json.loads(text) if text else None for text in texts]


async def test_requests_run_in_order_and_are_answered_in_order() -> None:
    dataverse = Environment()
    booking = f"{BOOKINGS}({dataverse.booking.booking_id})"
    response = await post(
        dataverse,
        operation("PATCH", booking, {"name": "first"}, If_Match="*"),
        operation("GET", f"{booking}?$select=name"),
        operation("GET", f"{ROOT}/bookableresourcebookings?$filter=name%20eq%20'first'&$select=name"),
        operation("GET", "bookingstatuses/$count"),
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses(response) == [204, 200, 200, 200]
    assert bodies(response)[1]["name"] == "first"
    assert [row["name"] for row in bodies(response)[2]["value"]] == ["first"]


async def test_each_request_is_counted_under_its_own_kind_and_charged_its_own_time() -> None:
    dataverse = Environment(execution_seconds=1)
    booking = f"{BOOKINGS}({dataverse.booking.booking_id})"
    response = await post(
        dataverse,
        operation("GET", booking),
        operation("GET", booking),
        change_set(operation("PATCH", booking, {"name": "x"}, content_id="1", If_Match="*")),
    )
    assert dataverse.board.calls["app"] == {
        "batch": 1,
        "bookableresourcebookings.get": 2,
        "bookableresourcebookings.update": 1,
    }
    assert response.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "5999"
    assert response.headers["x-ms-ratelimit-time-remaining-xrm-requests"] == "1,197.00"


async def test_the_first_failure_stops_the_batch_with_an_outer_400() -> None:
    dataverse = Environment()
    response = await post(
        dataverse,
        operation("GET", f"{BOOKINGS}({dataverse.booking.booking_id})"),
        operation("PATCH", f"{BOOKINGS}({ABSENT})", {"name": "x"}, If_Match="*"),
        operation("PATCH", f"{BOOKINGS}({dataverse.booking.booking_id})", {"name": "never"}, If_Match="*"),
    )
    assert response.status_code == 400
    assert statuses(response) == [200, 404]
    assert bodies(response)[1]["error"]["code"] == "0x80040217"
    assert (await dataverse.get(dataverse.path))["name"] == dataverse.booking.name


async def test_continue_on_error_answers_200_and_serves_the_rest() -> None:
    dataverse = Environment()
    response = await post(
        dataverse,
        operation("DELETE", f"{BOOKINGS}({ABSENT})"),
        operation("PATCH", f"{BOOKINGS}({dataverse.booking.booking_id})", {"name": "written"}, If_Match="*"),
        prefer="odata.continue-on-error",
    )
    assert (response.status_code, statuses(response)) == (200, [404, 204])
    assert (await dataverse.get(dataverse.path))["name"] == "written"


async def test_a_change_set_happens_wholly_or_not_at_all() -> None:
    dataverse = Environment()
    one, other = (f"{BOOKINGS}({booking.booking_id})" for booking in SAMPLE.bookings[:2])
    before = await dataverse.etag()
    failing = change_set(
        operation("PATCH", one, {"name": "half"}, content_id="1", If_Match="*"),
        operation("POST", BOOKINGS, {"name": "made", "bookableresourcebookingid": ABSENT}, content_id="2"),
        operation("DELETE", other, content_id="3"),
        operation("PATCH", other, {"name": "late"}, content_id="4", If_Match="*"),
    )
    response = await post(dataverse, failing, operation("GET", one), prefer="odata.continue-on-error")
    assert (response.status_code, statuses(response)) == (200, [404, 200])
    assert await dataverse.etag() == before
    assert (await dataverse.app.get(f"/bookableresourcebookings({ABSENT})")).status_code == 404
    assert (await dataverse.get(f"/bookableresourcebookings({SAMPLE.bookings[1].booking_id})"))["name"] == "WO-00002"


async def test_content_ids_refer_to_what_the_change_set_has_made() -> None:
    dataverse = Environment()
    response = await post(
        dataverse,
        change_set(
            operation("POST", "msdyn_workorders", {"msdyn_name": "WO-9"}, content_id="1"),
            operation(
                "POST",
                "bookableresourcebookings",
                {
                    "name": "WO-9",
                    "msdyn_workorder@odata.bind": "$1",
                    "Resource@odata.bind": f"/bookableresources({ADA.resource_id})",
                    **bind_status("Scheduled"),
                },
                content_id="2",
            ),
            operation("PATCH", "$2", {"name": "WO-9, renamed"}, content_id="3", If_Match="*"),
        ),
    )
    assert (response.status_code, statuses(response)) == (200, [204, 204, 204])
    parts = parts_of(response.headers["content-type"], response.content)
    assert [part["Content-ID"] for part in parts] == ["1", "2", "3"]
    payload = str(parts[1].get_payload()).lower()
    assert "location: " in payload
    assert "odata-entityid: " in payload
    found = await dataverse.get("/bookableresourcebookings", filter="msdyn_workorder/msdyn_name eq 'WO-9'")
    assert [row["name"] for row in found["value"]] == ["WO-9, renamed"]


async def test_a_fault_meets_one_request_of_a_batch() -> None:
    dataverse = Environment()
    dataverse.board.faults.append(Fault(kind="bookableresourcebookings.get", status=503))
    booking = f"{BOOKINGS}({dataverse.booking.booking_id})"
    response = await post(
        dataverse, operation("GET", booking), operation("GET", booking), prefer="odata.continue-on-error"
    )
    assert statuses(response) == [503, 200]


NESTED = operation("POST", "/api/data/v9.2/$batch", {})
READ = operation("GET", "WhoAmI")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "--batch_1--\r\n",
        f"--batch_1\r\n{READ}\r\n",
        f"--other\r\n{READ}\r\n--other--\r\n",
        f"--batch_1\n{READ}\n--batch_1--\n".replace("\r\n", "\n"),
        f"--batch_1\r\n{NESTED}\r\n--batch_1--\r\n",
        f"--batch_1\r\n{change_set(operation('GET', 'WhoAmI', content_id='1'))}\r\n--batch_1--\r\n",
        f"--batch_1\r\n{change_set(operation('DELETE', BOOKINGS))}\r\n--batch_1--\r\n",
        "--batch_1\r\nContent-Type: application/http\r\n\r\nWhoAmI\r\n\r\n\r\n--batch_1--\r\n",
        "--batch_1\r\nContent-Type: application/json\r\n\r\n{}\r\n--batch_1--\r\n",
        f"--batch_1\r\n{operation('GET', 'https://elsewhere.example/WhoAmI')}\r\n--batch_1--\r\n",
    ],
)
async def test_a_malformed_batch_is_refused_before_anything_runs(body: str) -> None:
    dataverse = Environment()
    assert refusal(await post(dataverse, body=body)) == (400, "0x80048d19")
    assert set(dataverse.board.calls["app"]) == {"batch"}


async def test_a_thousand_requests_are_served_and_one_more_is_refused() -> None:
    dataverse = Environment()
    served = await post(dataverse, *[READ] * 1_000)
    assert (served.status_code, len(statuses(served))) == (200, 1_000)
    assert refusal(await post(dataverse, *[READ] * 1_001))[0] == 400
