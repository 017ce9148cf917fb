"""Notes in the journal what is ordered on the command line, as the status page notes what is ordered there."""

from sync import bootstrap
from sync.service.orders import note_order
from sync.service.ports import Ports


async def note_command(typed: str, ports: Ports, *, mailbox_id: str = "", booking_id: str | None = None) -> None:
    """Tell the journal what was `typed`, and by whom, before it is done.

    Raises `TransientError` when it cannot be written down: then it is not to be done either.
    """
    name = bootstrap.user_name()
    who = f"{name} on the command line" if name else "somebody on the command line"
    await note_order(typed, who, ports, mailbox_id=mailbox_id, booking_id=booking_id)
