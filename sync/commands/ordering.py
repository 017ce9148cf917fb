"""The commands that give the app work: `replay`, `sweep`, `release`."""

import argparse

from sync import bootstrap
from sync.commands.printing import as_text, nothing, print_item
from sync.core.journal import DeadLetter
from sync.core.mailboxes import BOOKINGS
from sync.core.work_items import MailboxJob, Source
from sync.service.booking_sweep import sweep_bookings
from sync.service.breaker import release as release_breaker
from sync.service.disposal import replay as replay_letter
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task, queue_sweeps


async def replay(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    letters = await _chosen_letters(options, shop.ports)
    for letter in letters:
        await replay_letter(letter, shop.ports)
    if not letters:
        return nothing("There are no such dead letters.")
    print_item(options, {"replayed": len(letters)}, f"Replayed {len(letters)}.")
    return 0


async def _chosen_letters(options: argparse.Namespace, ports: Ports) -> list[DeadLetter]:
    if options.letter_id:
        letter = await ports.dead_letters.find_letter(options.letter_id)
        return [letter] if letter else []
    return [one async for one in ports.dead_letters.list_letters(error_class=options.error_class)]


async def sweep(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    count = len(options.mailbox)
    for mailbox_id in options.mailbox:
        task = mailbox_task(
            mailbox_id.lower(), MailboxJob.SWEEP, shop.ports, source=Source.REPLAY, is_full=options.full
        )
        await shop.ports.queue.put(task)
    if not options.mailbox:
        count = await queue_sweeps(shop.ports, shop.rules, source=Source.REPLAY, is_full=options.full)
    print_item(options, {"queued": count}, f"Queued {count} sweeps.")
    return 0


async def release(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    mailbox_id = options.mailbox.lower()
    breaker = await release_breaker(mailbox_id, shop.ports)
    held = [
        one
        async for one in shop.ports.dead_letters.list_letters(error_class="BreakerHeld")
        if one.mailbox_id == mailbox_id
    ]
    for letter in held:
        await replay_letter(letter, shop.ports)
    if mailbox_id == BOOKINGS:
        await sweep_bookings(shop.ports, shop.rules)
        swept = "swept the bookings"
    else:
        await shop.ports.queue.put(mailbox_task(mailbox_id, MailboxJob.SWEEP, shop.ports, source=Source.REPLAY))
        swept = "queued a sweep"
    text = f"Released until {as_text(breaker.released_until)}; replayed {len(held)} and {swept}."
    print_item(options, {"released_until": breaker.released_until, "replayed": len(held)}, text)
    return 0
