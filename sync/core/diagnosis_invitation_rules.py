"""The documented rules by which server-side synchronization sends, or does not send, an invitation. Pure.

In the order in which they matter: is it a thing that invites at all, is it complete, can the organizer's mailbox sync,
and what nobody but Microsoft's own sync can see. Source: Power Platform documentation, sync-logic (appointments and
service appointments) and the page on the default OrgDBOrgSettings; Dataverse documentation, table references of
appointment, activityparty and mailbox; checked 2026-11-21.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sync.core.diagnosis import Fact, Finding, Question, Unread, moment_text
from sync.core.mailboxes import Quarantine, SubscriptionRecord
from sync.core.server_side_sync import (
    SETTING_DEFAULTS,
    AppointmentRecord,
    AppointmentState,
    Approval,
    MailboxSetup,
    MailboxTest,
    OrganizationSettings,
    SyncMethod,
    User,
)

PAST_SETTING = "SSSUpdatePastMeetingsInNonDraftMode"
CANCELLATION_SETTING = "SSSPropagateAppointmentCancellationsToExchange"
DASHBOARD_SETTING = "EnableSssItemLevelMonitoring"

_MAILBOXES = "Power Platform admin center, Environments, Settings, Email, Mailboxes"

_ONLY_ORGANIZER = "Only the organizer's own mailbox distributes a meeting to its attendees."


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationFacts:
    """Everything that was seen of an appointment, at `asked_at`. In each fact, None means that there is no such thing.

    `organizer` and `setup` are of the organizer, where that is a user; `subscription` and `quarantine` tell whether
    this app works in the same mailbox.
    """

    appointment_id: str
    asked_at: datetime
    appointment: Fact[AppointmentRecord | None]
    organizer: Fact[User | None] = None
    setup: Fact[MailboxSetup | None] = None
    settings: Fact[OrganizationSettings] = field(default_factory=OrganizationSettings)
    subscription: Fact[SubscriptionRecord | None] = None
    quarantine: Fact[Quarantine | None] = None

    def is_on(self, setting: str) -> bool:
        """Whether an OrgDBOrgSetting is on; by its default where the settings could not be read."""
        return SETTING_DEFAULTS[setting] if isinstance(self.settings, Unread) else self.settings.is_on(setting)


type InvitationRule = Callable[[AppointmentRecord, InvitationFacts], Finding | None]
"""One condition; None where it does not apply."""


def is_no_service_activity(appointment: AppointmentRecord, _: InvitationFacts) -> Finding:
    asked = Question("kind", "It is an appointment, not a service activity")
    if not appointment.is_service_activity:
        return asked.passed("appointment", "Appointments send invitations.")
    meaning = "Service activities are copied into each user's calendar, and never send an invitation or a cancellation."
    mend = (
        "Plan it as an appointment, or as a booking, which this app brings to Outlook; or invite people from Outlook."
    )
    return asked.failed("service activity", meaning, mend)


def _state_allows(appointment: AppointmentRecord, facts: InvitationFacts) -> Finding:
    asked, state = Question("state", "It is open or scheduled"), appointment.state
    if state is AppointmentState.COMPLETED:
        meaning = "A completed appointment is read-only: nothing about it changes any more, so nothing is sent."
        return asked.failed(state, meaning, "Set its state back to open or scheduled, then change it.")
    if state is AppointmentState.CANCELLED:
        return _cancelled(asked, facts)
    return asked.passed(state, "Its changes are sent.")


def _cancelled(asked: Question, facts: InvitationFacts) -> Finding:
    if facts.is_on(CANCELLATION_SETTING):
        meaning = "It is cancelled, and the cancellation is sent instead of an invitation."
        return asked.failed(f"cancelled; {CANCELLATION_SETTING} is on", meaning, "Nothing, if it is meant.")
    meaning = "It is cancelled: no invitation is sent, and without this setting no cancellation either."
    mend = f"To have cancellations sent, switch {CANCELLATION_SETTING} on in the environment's OrgDBOrgSettings."
    return asked.failed(f"cancelled; {CANCELLATION_SETTING} is off", meaning, mend)


def _is_no_draft(appointment: AppointmentRecord, _: InvitationFacts) -> Finding:
    asked = Question("draft", "It is not a draft")
    if not appointment.is_draft:
        return asked.passed("isdraft is false", "It is synchronized.")
    return asked.failed("isdraft is true", "A draft is not synchronized.", "Save and send the draft in Dynamics.")


def _lies_ahead(appointment: AppointmentRecord, facts: InvitationFacts) -> Finding:
    asked, start_at = Question("start", "Its start lies in the future"), appointment.start_at
    if start_at is None:
        return asked.failed("no start", "Without a start it is in nobody's calendar.", "Give it a start and an end.")
    seen = moment_text(start_at)
    if start_at > facts.asked_at:
        return asked.passed(seen, "Meetings that are still to come are sent.")
    if facts.is_on(PAST_SETTING):
        return asked.passed(f"{seen}; {PAST_SETTING} is on", "It is past, but changes of past meetings are sent.")
    mend = f"Move it ahead, if it is still to be. {PAST_SETTING} has changes of past meetings sent as well."
    return asked.failed(f"{seen}, past", "Nothing is sent for what has begun.", mend)


def _has_organizer(appointment: AppointmentRecord, _: InvitationFacts) -> Finding:
    asked, count = Question("organizer", "The organizer is set"), len(appointment.organizers)
    if count == 1:
        return asked.passed(_name(appointment), "Somebody can distribute the meeting.")
    mend = (
        "Add the field Organizer to the form, where it is not by default, and fill it; a flow, plug-in or import that "
        "makes appointments must fill it as well."
    )
    seen = "none" if count == 0 else f"{count} of them"
    return asked.failed(seen, f"There is {'no' if count == 0 else 'more than one'} organizer. {_ONLY_ORGANIZER}", mend)


def _name(appointment: AppointmentRecord) -> str:
    parts = [part for one in appointment.organizers for part in (one.table, one.row_id) if part]
    return " ".join(parts) or "an address only"


def _organizer_syncs(appointment: AppointmentRecord, facts: InvitationFacts) -> Finding | None:
    asked = Question("organizer-syncs", "The organizer is a user whose mailbox can sync")
    if len(appointment.organizers) != 1:
        return None
    (organizer,) = appointment.organizers
    mend = "Set the organizer to the user in whose name it shall be sent."
    if not organizer.is_user:
        return asked.failed(_name(appointment), f"That is no user. {_ONLY_ORGANIZER}", mend)
    user = facts.organizer
    if isinstance(user, Unread):
        return asked.unknown(user)
    if user is None or not user.is_enabled or user.mailbox_id is None:
        seen = f"user {organizer.row_id}, {_ails(user)}"
        return asked.failed(seen, f"Nobody's mailbox syncs it. {_ONLY_ORGANIZER}", mend)
    owner = (
        "" if appointment.owner == organizer else f"; the owner is {appointment.owner.table} {appointment.owner.row_id}"
    )
    meaning = "It is this user's own sync that sends the invitation, whoever else may have it in the calendar."
    return asked.passed(f"user {organizer.row_id}{owner}", meaning)


def _ails(user: User | None) -> str:
    if user is None:
        return "who does not exist"
    return "without a Microsoft Entra account" if user.is_enabled else "disabled"


def _somebody_is_invited(appointment: AppointmentRecord, _: InvitationFacts) -> Finding:
    asked = Question("attendees", "Somebody is invited")
    seen = f"{len(appointment.required)} required, {len(appointment.optional)} optional"
    if appointment.invited:
        return asked.passed(seen, "There are people to send it to.")
    if appointment.required or appointment.optional:
        seen = f"{seen}: the organizer alone"
    return asked.failed(seen, "Nobody but the organizer is invited.", "Fill in Required or Optional Attendees.")


def _invited_in_time(appointment: AppointmentRecord, _: InvitationFacts) -> Finding | None:
    asked = Question("attendees-in-time", "The attendees were there before it was first synchronized")
    if not appointment.invited:
        return None
    if not appointment.is_known_to_exchange:
        return asked.passed("not synchronized yet", "They are invited when it first is.")
    return asked.invisible(
        "when each attendee was added. It is known to Exchange already (it has a globalobjectid)",
        "If they were added afterwards by a flow or an import: change subject, location or time, and save.",
    )


def _something_changed(appointment: AppointmentRecord, _: InvitationFacts) -> Finding | None:
    asked = Question("key-property", "Something that counts was changed")
    if not appointment.is_known_to_exchange:
        return asked.passed("not synchronized yet", "The first time, nothing needs to have changed.")
    changed = f"last modified {moment_text(appointment.modified_at)}; " if appointment.modified_at else ""
    return asked.invisible(
        f"{changed}which columns that were",
        "An update is sent only for a change of subject, body, location, all-day, start, end, attendees, organizer, "
        "status, priority or recurrence: change one of them, and save.",
    )


def _address_is_approved(setup: MailboxSetup) -> Finding:
    asked = Question("mailbox-approved", "The organizer's address is approved")
    if setup.approval is Approval.APPROVED:
        return asked.passed(setup.approval, "The mailbox may be used.")
    mend = f"Approve Email: {_MAILBOXES}."
    return asked.failed(
        setup.approval,
        "The organizer's mailbox is not synchronized, because its address is not approved.",
        mend,
    )


def _is_tested(setup: MailboxSetup) -> Finding:
    asked = Question("mailbox-tested", "Its test for appointments succeeded")
    if setup.test is MailboxTest.SUCCESS:
        return asked.passed(setup.test, "Dynamics can reach the mailbox.")
    mend = f"Test & Enable Mailbox: {_MAILBOXES}; the alerts there say what went wrong."
    return asked.failed(
        setup.test,
        "The organizer's mailbox is not synchronized, because it was not tested with success.",
        mend,
    )


def _is_enabled(setup: MailboxSetup) -> Finding:
    asked = Question("mailbox-enabled", "It is enabled for appointments")
    if setup.is_enabled:
        return asked.passed("enabled", "Appointments are processed.")
    mend = f"Test & Enable Mailbox: {_MAILBOXES}."
    return asked.failed("not enabled", "The organizer's mailbox is not synchronized, because it is not enabled.", mend)


def _is_server_side(setup: MailboxSetup) -> Finding:
    asked = Question("mailbox-method", "It is set to server-side synchronization")
    if setup.method is SyncMethod.SERVER_SIDE:
        return asked.passed(setup.method, "Microsoft's own sync takes appointments there.")
    mend = f'Set "Appointments, Contacts, and Tasks" to Server-Side Synchronization: {_MAILBOXES}.'
    return asked.failed(setup.method, "Microsoft's own sync takes no appointments to the organizer's mailbox.", mend)


def _mailbox_rule(judge: Callable[[MailboxSetup], Finding]) -> InvitationRule:
    def rule(appointment: AppointmentRecord, facts: InvitationFacts) -> Finding | None:  # noqa: ARG001 - one shape for all
        return judge(facts.setup) if isinstance(facts.setup, MailboxSetup) else None

    return rule


def _has_mailbox(_: AppointmentRecord, facts: InvitationFacts) -> Finding | None:
    """Stands for the four rules about the mailbox where its row is not there, or cannot be read."""
    asked = Question("mailbox", "The organizer's mailbox is set up in Dynamics")
    if isinstance(facts.setup, Unread):
        return asked.unknown(facts.setup)
    if facts.setup is not None or not isinstance(facts.organizer, User):
        return None
    mend = f"Give the user a mailbox in Exchange and a licence, then set it up: {_MAILBOXES}."
    return asked.failed("no row in the table of mailboxes", "There is no mailbox to send from.", mend)


def _was_synced_since(appointment: AppointmentRecord, facts: InvitationFacts) -> Finding | None:
    asked, setup = Question("synchronized", "The mailbox was synchronized since the last change"), facts.setup
    if not isinstance(setup, MailboxSetup) or not setup.is_in_use or appointment.modified_at is None:
        return None
    changed = f"changed {moment_text(appointment.modified_at)}"
    if setup.synced_at is None:
        seen, meaning = f"{changed}; never synchronized", "Microsoft's own sync has not been in this mailbox yet."
        return asked.failed(seen, meaning, "Wait a quarter of an hour; then look at its alerts.")
    seen = f"{changed}; synchronized {moment_text(setup.synced_at)}"
    if setup.synced_at >= appointment.modified_at:
        return asked.passed(seen, "It has had its turn.")
    return asked.failed(seen, "It has not had its turn yet.", "Wait for the next cycle, a quarter of an hour at most.")


def _settings_allow(_: AppointmentRecord, facts: InvitationFacts) -> Finding:
    asked = Question("organization", "The environment's settings are the usual ones")
    if isinstance(facts.settings, Unread):
        return asked.unknown(facts.settings)
    seen = ", ".join(f"{name}={str(facts.is_on(name)).lower()}" for name in SETTING_DEFAULTS)
    changed = [name for name, default in SETTING_DEFAULTS.items() if facts.is_on(name) is not default]
    if not changed:
        return asked.passed(seen, "All have their defaults, of those that bear on invitations.")
    meaning = f"Not at the default: {', '.join(changed)}. Where it matters to this appointment, its rule says so."
    return asked.passed(seen, meaning)


def _is_not_in_both(_: AppointmentRecord, facts: InvitationFacts) -> Finding | None:
    asked = Question("two-syncs", "Microsoft's sync and this app do not both work in the mailbox")
    for fact in (facts.setup, facts.subscription, facts.quarantine):
        if isinstance(fact, Unread):
            return asked.unknown(fact)
    if not isinstance(facts.setup, MailboxSetup):
        return None
    microsoft = facts.setup.is_in_use
    ours = facts.subscription is not None and facts.quarantine is None
    seen = f"Microsoft's {'on' if microsoft else 'off'}, this app {'on' if ours else 'off'}"
    if not (microsoft and ours):
        return asked.passed(seen, "They are not in each other's way.")
    meaning = "Both put items into this calendar: visits may stand in it twice, and one sync may undo the other's work."
    mend = "Leave the mailbox out with MAILBOXES, or switch Microsoft's sync off; never both."
    return asked.failed(seen, meaning, mend)


def _passes_the_filter(appointment: AppointmentRecord, _: InvitationFacts) -> Finding | None:
    if len(appointment.organizers) != 1:
        return None
    return Question("filter", "It passes the organizer's own synchronization filter").invisible(
        "the filters that the organizer has set, and whether the organizer's role may read the appointment",
        "Let the organizer look: Personal options, Synchronization, and the filter for appointments.",
    )


RULES: tuple[InvitationRule, ...] = (
    is_no_service_activity,
    _has_organizer,
    _organizer_syncs,
    _lies_ahead,
    _somebody_is_invited,
    _state_allows,
    _is_no_draft,
    _has_mailbox,
    _mailbox_rule(_is_server_side),
    _mailbox_rule(_address_is_approved),
    _mailbox_rule(_is_tested),
    _mailbox_rule(_is_enabled),
    _is_not_in_both,
    _settings_allow,
    _was_synced_since,
    _invited_in_time,
    _something_changed,
    _passes_the_filter,
)
