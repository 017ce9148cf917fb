"""The commands that give the app work: `replay`, `resync`, `sweep`, `release`."""

import argparse

from sync import bootstrap
from sync.commands.noting import note_command
from sync.commands.printing import as_text, nothing, print_item
from sync.core.mailboxes import BOOKINGS
from sync.core.work_items import MailboxJob, Source
from sync.service.orders import release_breaker, replay_letter, replay_letters
from sync.service.resync import NotSynced, resync_mailbox
from sync.service.sweeping import mailbox_task, queue_sweeps


async def replay(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    if options.letter_id:
        await note_command(f"replay --id {options.letter_id}", shop.ports)
        replayed = await replay_letter(options.letter_id, shop.ports)
    else:
        which = f"--class {options.error_class}" if options.error_class else "--all"
        await note_command(f"replay {which}", shop.ports)
        replayed = await replay_letters(options.error_class, shop.ports)
    if not replayed.letters:
        return nothing("There are no such dead letters.")
    more = " Time was up before all of them were: replay again." if replayed.is_cut else ""
    data = {"replayed": replayed.letters, "is_cut": replayed.is_cut}
    print_item(options, data, f"Replayed {replayed.letters}.{more}")
    return 0


async def resync(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    mailbox_id = options.mailbox.lower()
    await note_command(f"resync {mailbox_id}", shop.ports, mailbox_id=mailbox_id)
    try:
        asked = await resync_mailbox(mailbox_id, shop.ports, shop.rules)
    except NotSynced as error:
        return nothing(f"{error.reason}\n{error.mend}")
    text = f"Queued a full round, {asked.bookings} bookings and {asked.events} events."
    if asked.quarantine is not None:
        text += f"\nThe mailbox is set aside: {asked.quarantine.reason}\nWhile it is, nothing is written there."
    text += f"\nThe app works them off by itself. What comes of it: python -m sync journal {mailbox_id}"
    data = {
        "bookings": asked.bookings,
        "events": asked.events,
        "correlation_id": asked.correlation_id,
        "set_aside": asked.quarantine and asked.quarantine.reason,
    }
    print_item(options, data, text)
    return 0


async def sweep(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    typed = "sweep --full" if options.full else "sweep"
    count = len(options.mailbox)
    for mailbox_id in map(str.lower, options.mailbox):
        await note_command(f"{typed} {mailbox_id}", shop.ports, mailbox_id=mailbox_id)
        task = mailbox_task(mailbox_id, MailboxJob.SWEEP, shop.ports, source=Source.REPLAY, is_full=options.full)
        await shop.ports.queue.put(task)
    if not options.mailbox:
        await note_command(typed, shop.ports)
        count = await queue_sweeps(shop.ports, shop.rules, source=Source.REPLAY, is_full=options.full)
    print_item(options, {"queued": count}, f"Queued {count} sweeps.")
    return 0


async def release(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    mailbox_id = options.mailbox.lower()
    await note_command(f"release {mailbox_id}", shop.ports, mailbox_id=mailbox_id)
    released = await release_breaker(mailbox_id, shop.ports, shop.rules)
    swept = "swept the bookings" if mailbox_id == BOOKINGS else "queued a sweep"
    text = f"Released until {as_text(released.until)}; replayed {released.letters} and {swept}."
    print_item(options, {"released_until": released.until, "replayed": released.letters}, text)
    return 0
