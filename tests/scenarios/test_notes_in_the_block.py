"""What a technician types between the two lines of our block, where it was never meant to be, is kept all the same."""

from local.sample import WorkOrder
from sync.core.body import FIRST_LINE, KEPT_LINE, LAST_LINE
from tests.dispatching import HOUR, MONDAY, DispatchTenant

NOTE = "Gate code 4711"


async def a_visit() -> tuple[DispatchTenant, WorkOrder, str]:
    """A booking whose event is made; the tenant, its work order, its id."""
    tenant = await DispatchTenant.open()
    order = tenant.sample.work_orders[4]
    booking_id = await tenant.book(work_order=order)
    await tenant.settle()
    return tenant, order, booking_id


async def body_of(tenant: DispatchTenant, booking_id: str) -> str:
    return str((await tenant.event_of(booking_id))["body"]["content"])


async def edit(tenant: DispatchTenant, booking_id: str, old: str, new: str) -> None:
    """The technician saves the body with one text in place of another."""
    body = await body_of(tenant, booking_id)
    assert old in body
    content = body.replace(old, new, 1)
    await tenant.rewrite_event(await tenant.event_of(booking_id), body={"contentType": "html", "content": content})
    await tenant.settle()


async def summarize(tenant: DispatchTenant, order: WorkOrder, summary: str) -> None:
    """The dispatcher changes what is to be done."""
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_workordersummary=summary)
    await tenant.settle()


async def test_notes_typed_into_the_block_are_kept_below_it_once_however_often_the_work_order_changes() -> None:
    tenant, order, booking_id = await a_visit()
    await edit(tenant, booking_id, "Priority:", f"{NOTE}<br>Priority:")
    for summary in ("Bring a ladder", "Bring two ladders", "Bring no ladder"):
        await summarize(tenant, order, summary)
        body = await body_of(tenant, booking_id)
        block, notes = body.split(LAST_LINE)
        assert summary in block
        assert NOTE not in block
        assert notes.count(NOTE) == notes.count(KEPT_LINE) == 1
        assert "ladder" not in notes, "what we wrote and nobody touched is not kept"
        assert body.count(FIRST_LINE) == 1


async def test_a_block_that_an_editor_only_rewrote_is_not_kept() -> None:
    tenant, order, booking_id = await a_visit()
    await edit(tenant, booking_id, "<br>Priority:", "</div>\r\n<div class=x_a><b>&#80;riority</b>&nbsp;:")
    await summarize(tenant, order, "Bring a ladder")
    body = await body_of(tenant, booking_id)
    assert "Bring a ladder" in body
    assert KEPT_LINE not in body
    assert body.count("Priority") == body.count("Open in Dynamics 365") == 1


async def test_notes_typed_again_into_the_next_block_are_kept_as_well() -> None:
    tenant, order, booking_id = await a_visit()
    for note, summary in (("Gate code 4711", "Bring a ladder"), ("Beware of the dog", "Bring two ladders")):
        await edit(tenant, booking_id, "Priority:", f"{note}<br>Priority:")
        await summarize(tenant, order, summary)
    _, notes = (await body_of(tenant, booking_id)).split(LAST_LINE)
    assert notes.count("Gate code 4711") == notes.count("Beware of the dog") == 1


async def test_a_move_between_two_changes_does_not_make_us_forget_what_we_wrote() -> None:
    tenant, order, booking_id = await a_visit()
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    await summarize(tenant, order, "Bring a ladder")
    body = await body_of(tenant, booking_id)
    assert "Bring a ladder" in body
    assert KEPT_LINE not in body
