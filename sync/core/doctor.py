"""What a checkup of a deployment finds: each fact held against what the app needs, with the mend. Pure.

The facts are gathered by `sync.service.checkup`. Whoever runs it may be a person and not the app: what a person may not
see is then no fault of the deployment, and the finding says so.
"""

import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sync.core.diagnosis import Fact, Finding, Question, Unread, moment_text
from sync.core.doctor_facts import DoorAnswer, Identity, Mailboxes, Registration, Service, Storage
from sync.core.mailboxes import BookingCursor, QuarantineKind, SubscriptionRecord
from sync.core.work import POISON_SUFFIX, QUEUES

HANDSHAKE_SECONDS = 3.0
"""What Graph's documentation gives a notification's answer (change-notifications-delivery-webhooks)."""

SMALL_SKEW_SECONDS = 10.0
"""An HTTP date has whole seconds, and an answer takes its time: less proves nothing."""

TOKEN_SKEW_SECONDS = 300.0
"""Beyond five minutes Entra's tokens are refused as not yet, or no longer, valid."""

SWEEP_OVERDUE = timedelta(hours=24)
NAMED_AT_MOST = 10


def judge_settings(problems: Sequence[str]) -> list[Finding]:
    question = Question("settings", "The settings are complete and usable")
    if not problems:
        return [question.passed("all are", "The app starts with them.")]
    meaning = "The app refuses to start, and serves no function."
    mend = "Correct it among the app settings, then restart the app (docs/configure.md)."
    return [question.failed(problem, meaning, mend) for problem in problems]


def judge_storage(fact: Fact[Storage]) -> Finding:
    question = Question("storage", "Queues and tables can be reached")
    if isinstance(fact, Unread):
        mend = (
            "Check AzureWebJobsStorage, and that whoever runs this has the roles Storage Queue Data Contributor and "
            "Storage Table Data Contributor on the account (docs/deploy.md)."
        )
        return question.failed(fact.reason, "Nothing can be queued or remembered.", mend)
    missing = [queue for queue in QUEUES if queue not in fact.queues]
    seen = f"{len(fact.queues)} queues, {len(fact.tables)} tables"
    if missing or not fact.tables:
        return question.warned(
            f"{seen}; not there: {_named(missing) or 'the tables'}",
            "They are made when they are first written to: the app has not run yet, or runs on another account.",
            "Start the app. If it runs already, compare its AzureWebJobsStorage with the one used here.",
        )
    return question.passed(seen, "Work is queued and remembered there.")


def judge_poison(fact: Fact[Storage], letters: Fact[Mapping[str, int]]) -> Finding:
    question = Question("dead-letters", "No item has been given up")
    for one in (fact, letters):
        if isinstance(one, Unread):
            return question.failed(one.reason, "What was given up is not known.", "Mend the storage first.")
    assert isinstance(fact, Storage)
    assert isinstance(letters, Mapping)
    counts = {name: count for name, count in letters.items() if count}
    counts |= {name: n for name, n in fact.messages.items() if name.endswith(POISON_SUFFIX) and n}
    if counts:
        seen = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        mend = "python -m sync letters tells reason and mend of each; then python -m sync replay."
        return question.warned(seen, "These items are not tried again by themselves.", mend)
    return question.passed("none", "Everything that came was worked off, or will be.")


def judge_identity(service: Service, fact: Fact[Identity]) -> Finding:
    question = Question(f"identity-{service.lower()}", f"A token for {service} is issued")
    if isinstance(fact, Unread):
        mend = (
            "In Azure: give the app its user-assigned identity and set AZURE_CLIENT_ID. On your machine: az login, "
            "with AZURE_CLIENT_ID unset."
        )
        return question.failed(fact.reason, f"Nothing can be asked of {service}.", mend)
    who = {True: "the app", False: "a person", None: "somebody"}[fact.is_app]
    return question.passed(f"for {who}, {fact.name}", f"What follows was asked of {service} in that name.")


def judge_calendar(reached: Fact[str], identity: Fact[Identity], mailboxes: Fact[Mailboxes], now: datetime) -> Finding:
    """`reached` is the mailbox whose calendar was read."""
    question = Question("graph-calendars", "Graph lets the app read calendars")
    if not isinstance(reached, Unread):
        roles = f", with {', '.join(identity.roles)}" if isinstance(identity, Identity) and identity.roles else ""
        meaning = "Writing is tried by --canary MAILBOX only."
        return question.passed(f"the calendar of {reached} answered{roles}", meaning)
    if isinstance(identity, Identity) and identity.is_app is False:
        return _judge_calendar_unseen(reached, mailboxes, now)
    mend = (
        "Grant the app's identity Calendars.Read and Calendars.ReadWrite as application permissions, in Exchange for "
        "a group of mailboxes or in Entra for all (docs/deploy.md, step 5). A new grant takes up to two hours."
    )
    return question.failed(reached.reason, "No event is seen, and none can be made.", mend)


def _judge_calendar_unseen(reached: Unread, mailboxes: Fact[Mailboxes], now: datetime) -> Finding:
    """A person asked and was refused: what the app itself has come by is the better witness."""
    question = Question("graph-calendars", "Graph lets the app read calendars")
    live = []
    if not isinstance(mailboxes, Unread):
        live = [one for one in mailboxes.records.values() if _is_live(one, now)]
    if live:
        seen = f"not by you; the app itself holds {len(live):,} live subscription{'s' if len(live) > 1 else ''}"
        return question.passed(seen, "It could not have them without the permission. Writing is not proved.")
    return question.warned(
        f"not by you: {reached.reason}",
        "You are not the app, and it holds no live subscription that would prove its permission.",
        "If the app has been running for an hour: grant it Calendars.Read and Calendars.ReadWrite (docs/deploy.md, "
        "step 5). python -m sync subscriptions --troubled tells what Graph answered it.",
    )


def judge_registration(fact: Fact[Registration], *, asks_about_app: bool) -> list[Finding]:
    """`asks_about_app` is False when nobody said which application user is the app's: then the asker's rights count."""
    if isinstance(fact, Unread):
        mend = "Check DATAVERSE_URL, and that whoever runs this is an enabled user there with a role that may read."
        question = Question("dataverse-access", "Dataverse answers")
        return [question.failed(fact.reason, "No booking is seen.", mend)]
    if fact.missing_tables:
        return [_judge_tables(fact)]
    findings = [_judge_tables(fact), _judge_user(fact, asks_about_app=asks_about_app)]
    if fact.app_user_id is not None:
        findings.append(_judge_rights(fact, asks_about_app=asks_about_app))
    return [*findings, _judge_parts(fact)]


def _judge_tables(fact: Registration) -> Finding:
    question = Question("dataverse-tables", "The tables that the app reads are there")
    if not fact.missing_tables:
        return question.passed("all are", "Field Service is installed.")
    meaning = "Bookings cannot be read with what belongs to them."
    return question.failed(f"not there: {_named(fact.missing_tables)}", meaning, "Install Field Service there.")


def _judge_user(fact: Registration, *, asks_about_app: bool) -> Finding:
    question = Question("dataverse-user", "The app is an enabled user of Dataverse")
    if fact.app_user_id is None:
        mend = "Create an application user for the identity's client id, enabled, with the app's role (docs/deploy.md)."
        return question.failed("no enabled application user has that client id", "Dataverse turns it away.", mend)
    if not asks_about_app:
        return question.warned(
            f"not looked for: the app's client id is not known here; you are user {fact.app_user_id}",
            "What follows was held against your rights, not the app's.",
            "Name the app's identity: --app CLIENT_ID.",
        )
    return question.passed(f"user {fact.app_user_id}", "Bookings are read and written in that name.")


def _judge_rights(fact: Registration, *, asks_about_app: bool) -> Finding:
    question = Question("dataverse-rights", "Its role has every privilege, for the whole organization")
    if fact.lacking is None:
        meaning = "It may be short of some all the same."
        mend = "Compare the role with the list in docs/deploy.md, step 4."
        return question.warned("Dataverse does not tell which privileges a user has", meaning, mend)
    if fact.lacking and not asks_about_app:
        meaning = "That says nothing about the app's role."
        return question.warned(f"you lack: {_named(fact.lacking)}", meaning, "Name its identity: --app CLIENT_ID.")
    if fact.lacking:
        mend = "Add them to the app's security role, with the depth Organization (docs/deploy.md, step 4)."
        meaning = "What needs them is refused, and its items end among the dead letters."
        return question.failed(f"the app lacks: {_named(fact.lacking)}", meaning, mend)
    who = "the app has all" if asks_about_app else "you have all"
    return question.passed(who, "Change tracking and writing are allowed.")


def _judge_parts(fact: Registration) -> Finding:
    question = Question("dataverse-setup", "Columns, key, change tracking and steps are as setup makes them")
    wrong = [*fact.conflicts, *(entry.title for entry in fact.plan)]
    if not wrong:
        return question.passed("all are", "Dataverse calls the app, and bookings can name their events.")
    mend = "python -m sync setup --dry-run shows what differs, and python -m sync setup mends it."
    return question.failed(f"to do: {_named(wrong)}", "Changes of bookings are lost or cannot be written.", mend)


def judge_handshake(name: str, token: str, fact: Fact[DoorAnswer]) -> Finding:
    """Graph's validation of one of our notification URLs, as we asked it ourselves."""
    question = Question(f"door-{name}", f"The {name} address answers Graph's handshake")
    meaning = "Graph makes no subscription, and delivers nothing to one that it has."
    mend = (
        "Check that PUBLIC_URL is this app's address, reachable from the internet, and that the app has started: "
        "its log names every unusable setting."
    )
    if isinstance(fact, Unread):
        return question.failed(fact.reason, meaning, mend)
    is_plain = fact.content_type.partition(";")[0].strip() == "text/plain"
    if fact.status != 200 or not hmac.compare_digest(fact.text, token) or not is_plain:
        seen = f"status {fact.status}, {fact.content_type or 'no content type'}"
        is_echo = "the token" if fact.text == token else "another text"
        return question.failed(f"{seen}, {is_echo}", meaning, mend)
    seen = f"in {fact.seconds:.1f} s"
    if fact.seconds > HANDSHAKE_SECONDS:
        mend = "Keep one instance always ready (docs/deploy.md). Ask again: the first call may just have woken it."
        return question.warned(seen, f"Graph waits {HANDSHAKE_SECONDS:.0f} s for a notification.", mend)
    return question.passed(seen, "Graph can subscribe and deliver.")


def judge_webhook(stranger: Fact[DoorAnswer], dataverse: Fact[DoorAnswer]) -> list[Finding]:
    """What the webhook address answered to a call without the secret, and to one with it."""
    question = Question("door-webhook", "The webhook address takes the secret, and nothing else")
    mend = "Check that PUBLIC_URL is this app's address, and that the app has started."
    for fact in (stranger, dataverse):
        if isinstance(fact, Unread):
            return [question.failed(fact.reason, "No change of a booking is heard at once.", mend)]
    assert isinstance(stranger, DoorAnswer)
    assert isinstance(dataverse, DoorAnswer)
    findings = []
    if stranger.status != 401:
        seen = f"without the secret: status {stranger.status}"
        meaning = "Whatever answers there is not the app, or lets anybody in."
        findings.append(question.failed(seen, meaning, mend))
    if dataverse.status != 202:
        findings.append(
            question.failed(
                f"with the secret: status {dataverse.status}",
                "No change of a booking is heard at once.",
                "Let the app have the DATAVERSE_WEBHOOK_SECRET that was used here, restart it, and have Dataverse "
                "know it as well: python -m sync setup --renew-secret.",
            )
        )
    return findings or [question.passed("401 without, 202 with it", "Dataverse is heard, others are not.")]


def judge_subscriptions(fact: Fact[Mailboxes], now: datetime) -> Finding:
    question = Question("subscriptions", "Every mailbox has a live subscription")
    if isinstance(fact, Unread):
        mend = "Mend storage and Dataverse first: they say which mailboxes there are."
        return question.failed(fact.reason, "Which mailboxes are heard is not known.", mend)
    if not fact.wanted:
        mend = "Give users an active bookable resource of type user, or set MAILBOXES."
        return question.failed("there is no mailbox to keep in sync", "Nothing is synced.", mend)
    at_work = [one for one in fact.wanted if one not in fact.quarantines]
    deaf = sorted(one for one in at_work if not _is_live(fact.records.get(one), now))
    aside = len(fact.wanted) - len(at_work)
    seen = f"{len(at_work) - len(deaf):,} of {len(at_work):,} mailboxes"
    seen += f", {aside:,} set aside" if aside else ""
    if deaf:
        mend = "The timer makes them within minutes. If it does not: python -m sync subscriptions --troubled."
        return question.failed(f"{seen}; not {_named(deaf)}", "Changes there are only found by sweeps.", mend)
    return question.passed(seen, "Changes in Outlook are heard at once.")


def _is_live(record: SubscriptionRecord | None, now: datetime) -> bool:
    return record is not None and record.expires_at is not None and record.expires_at > now


def judge_quarantine(fact: Fact[Mailboxes]) -> list[Finding]:
    """One finding for mailboxes that do not answer. Those of Microsoft's sync have a check of their own."""
    question = Question("quarantine", "No mailbox is set aside")
    if isinstance(fact, Unread):
        return []
    unreachable = [one for one in fact.quarantines.values() if one.kind is QuarantineKind.UNREACHABLE]
    if not unreachable:
        return [question.passed("none", "The app works in all of them.")]
    reasons = _named(f"{one.mailbox_id} ({one.reason})" for one in unreachable)
    mend = "Give the app access, or license the mailbox; then python -m sync resync MAILBOX probes at once."
    return [question.warned(reasons, "Nothing is synced there, and nothing cancelled.", mend)]


def judge_coexistence(synced: Fact[Collection[str]], fact: Fact[Mailboxes], *, is_allowed: bool) -> Finding:
    """`synced` are the mailboxes whose appointments Microsoft's server-side synchronization handles."""
    question = Question("microsoft-sync", "Microsoft's own sync and this one share no mailbox")
    if isinstance(synced, Unread):
        mend = "Let the app's role read the table mailbox (docs/deploy.md, step 4)."
        return question.warned(synced.reason, "Both may put the same visits into one calendar.", mend)
    if isinstance(fact, Unread):
        return question.warned(fact.reason, "Which mailboxes are ours is not known.", "Mend the rest first.")
    shared = sorted(set(synced).intersection(fact.wanted))
    if not shared:
        return question.passed("none is shared", "No visit stands twice in a calendar.")
    mend = (
        'In the Power Platform admin center set the mailbox\'s "Appointments, contacts, and tasks" to None, or leave '
        "the mailbox out with MAILBOXES."
    )
    if is_allowed:
        meaning = "ALLOW_MICROSOFT_SYNC overrides it: visits may stand twice in these calendars."
        return question.warned(f"shared: {_named(shared)}", meaning, mend)
    return question.failed(f"shared: {_named(shared)}", "The app refuses to work in them.", mend)


def judge_clock(service: Service, ahead_seconds: Fact[float]) -> Finding:
    """`ahead_seconds`: by how much the service's clock is ahead of this machine's."""
    question = Question(f"clock-{service.lower()}", f"This machine and {service} agree on the time")
    mend = "Have this machine's clock set by a time server. In Azure it is; then look at the network between."
    if isinstance(ahead_seconds, Unread):
        mend = f"Check the address of {service} in the settings, and that this machine may call it."
        return question.failed(ahead_seconds.reason, f"{service} cannot be reached.", mend)
    seen = f"{service} is {abs(ahead_seconds):.0f} s {'ahead' if ahead_seconds > 0 else 'behind'}"
    if abs(ahead_seconds) > TOKEN_SKEW_SECONDS:
        return question.failed(seen, "Tokens are refused, and waits come out wrong.", mend)
    if abs(ahead_seconds) > SMALL_SKEW_SECONDS:
        return question.warned(seen, "A change may be taken for one that has been seen already.", mend)
    return question.passed(seen, "No change is mistaken for an older one.")


def judge_sweep(fact: Fact[BookingCursor | None], now: datetime) -> Finding:
    """Whether the timers run: the sweep of the bookings leaves a trace each time it ends."""
    question = Question("timers", "The sweep has run lately")
    if isinstance(fact, Unread):
        return question.failed(fact.reason, "Whether lost changes are found is not known.", "Mend the storage.")
    mend = (
        "Check that the app runs, and SWEEP_SCHEDULE. If it fails, its log says why (action sweeps-queued, "
        "breaker-held); python -m sync status shows a breaker that holds."
    )
    if fact is None:
        return question.warned("never", "What push loses is not found again.", mend)
    seen = f"began at {moment_text(fact.began_at)}"
    if now - fact.began_at > SWEEP_OVERDUE:
        return question.warned(seen, "What push loses is not found again.", mend)
    return question.passed(seen, "What push loses is found again.")


def _named(names: Iterable[str]) -> str:
    """The first few of a list, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - NAMED_AT_MOST:,} more" if len(listed) > NAMED_AT_MOST else ""
    return ", ".join(listed[:NAMED_AT_MOST]) + more
