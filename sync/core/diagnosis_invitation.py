"""Why no invitation was sent for an appointment of Dynamics: a verdict over every documented rule. Pure.

It is Microsoft's server-side synchronization that sends invitations, not this app, whose own events have no attendees.
"""

from sync.core.diagnosis import Diagnosis, Finding, Question, Result, Unread, failures, sentence
from sync.core.diagnosis_invitation_rules import DASHBOARD_SETTING, RULES, InvitationFacts, is_no_service_activity
from sync.core.server_side_sync import AppointmentRecord


def explain_invitation(facts: InvitationFacts) -> Diagnosis:
    """The diagnosis of one appointment, of what was gathered about it."""
    appointment = facts.appointment
    if not isinstance(appointment, AppointmentRecord):
        return _without_appointment(facts)
    rules = (is_no_service_activity,) if appointment.is_service_activity else RULES
    findings = tuple(finding for rule in rules if (finding := rule(appointment, facts)) is not None)
    return Diagnosis(
        subject=_subject(facts), verdict=_verdict(findings), next_step=_next_step(findings, facts), findings=findings
    )


def _subject(facts: InvitationFacts) -> str:
    return f"appointment {facts.appointment_id}"


def _without_appointment(facts: InvitationFacts) -> Diagnosis:
    asked = Question("appointment", "The appointment is in Dynamics")
    if isinstance(facts.appointment, Unread):
        return Diagnosis(
            subject=_subject(facts),
            verdict=sentence(f"Dynamics could not be asked about the appointment: {facts.appointment.reason}"),
            next_step="Ask again when Dataverse answers. The app's role needs the privilege to read activities.",
            findings=(asked.unknown(facts.appointment),),
            is_found=None,
        )
    mend = "Check the id and DATAVERSE_URL: is it that environment's, and an appointment's?"
    return Diagnosis(
        subject=_subject(facts),
        verdict="There is no such appointment in Dynamics, and no service activity of that id.",
        next_step="Check the id and the environment.",
        findings=(asked.failed("Dataverse has no such row", "There is nothing to send.", mend),),
        is_found=False,
    )


def _verdict(findings: tuple[Finding, ...]) -> str:
    failing = failures(findings)
    if failing:
        first, others = failing[0].meaning, [one.rule for one in failing[1:]]
        also = f" What else fails: {', '.join(others)}." if others else ""
        return f"No invitation is sent. {first}{also}"
    unread = [one.rule for one in findings if one.seen.startswith("could not be read")]
    if unread:
        return f"Of what could be read, nothing stands in the way of an invitation. Not read: {', '.join(unread)}."
    unseen = [one.rule for one in findings if one.result is Result.UNKNOWN]
    also = f" What cannot be seen: {', '.join(unseen)}." if unseen else ""
    return f"Nothing that can be seen from here stands in the way of an invitation.{also}"


def _next_step(findings: tuple[Finding, ...], facts: InvitationFacts) -> str:
    if failing := failures(findings):
        return failing[0].mend
    where = "see the item-level monitoring of server-side synchronization, which names each item that did not sync"
    if not facts.is_on(DASHBOARD_SETTING):
        where = f"switch {DASHBOARD_SETTING} on, and then {where}"
    return f"If none has arrived within a quarter of an hour, {where}."
