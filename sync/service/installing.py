"""Sets the app up in Dataverse and undoes it: look, plan, carry out. What is done is shown by who calls.

Every run looks first and does what is missing, so that one that broke off anywhere is taken up where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sync.core.answer_table import ANSWER_TABLE
from sync.core.errors import Refused, ServiceUnavailable
from sync.core.registration import INTAKE, KEY_ACTIVE, KEY_FAILED, Doing, Found, Kind, Part, PlanEntry, Request
from sync.core.registration_plan import find_conflicts, plan_setup
from sync.core.rights import APP_TABLES, RIGHTS_ON_ANSWERS, Right, rights_of_app, rights_of_plan
from sync.service.ports import Clock, Sleep

KEY_PATIENCE = timedelta(minutes=5)
KEY_POLL_SECONDS = 5.0


class Environment(Protocol):
    """A Dataverse environment as setup needs it. Reading raises `AccessDenied`."""

    async def who_am_i(self) -> str: ...

    async def find_application_user(self, client_id: str) -> str | None: ...

    async def missing_tables(self, names: Sequence[str]) -> list[str]: ...

    async def missing_rights(
        self, user_id: str, rights: Sequence[Right], privileges: Sequence[str] = ()
    ) -> list[str] | None:
        """In words, what a user lacks for the whole organization; None when that cannot be told."""

    async def read(self, wanted: Sequence[Part]) -> Found: ...

    def requests_of(self, entry: PlanEntry) -> list[Request]: ...

    async def send(self, request: Request) -> None:
        """Raises `Refused`, `AccessDenied`."""

    async def key_status(self, key: Part) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a look at the environment came to. With `problems`, nothing must be done; `notes` are worth knowing.

    `app_user_id` is the user that the app will be in Dataverse, None when there is none. `there` needs nothing done.
    """

    user_id: str
    app_user_id: str | None
    plan: Sequence[PlanEntry] = ()
    there: Sequence[Part] = ()
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


async def survey(
    environment: Environment,
    wanted: Sequence[Part],
    *,
    client_id: str | None,
    deletes_bookings: bool,
    renews_secret: bool = False,
) -> Survey:
    """Look at everything and name all that is in the way at once.

    `client_id` is that of the app's identity; without one, whoever runs this is taken to be the app.
    """
    user_id = await environment.who_am_i()
    app_user_id = await environment.find_application_user(client_id) if client_id else user_id
    if missing := await environment.missing_tables(APP_TABLES):
        text = f"These tables are not there: {', '.join(missing)}. Install Field Service in this environment first."
        return Survey(user_id=user_id, app_user_id=app_user_id, problems=[text])
    problems, notes = [], []
    if app_user_id is None:
        problems.append(
            f"No enabled application user has the client id {client_id}: create it and give it the app's role."
        )
    reads_answers = any(part.table == ANSWER_TABLE for part in wanted)
    found = await environment.read(wanted)
    plan = plan_setup(wanted, found, renews_secret=renews_secret)
    touched = {entry.part.title for entry in plan}
    rights, privileges = rights_of_plan(plan)
    lacks = {
        "You lack": await environment.missing_rights(user_id, rights, privileges),
        "The app's user lacks": await environment.missing_rights(
            app_user_id, rights_of_app(deletes_bookings=deletes_bookings, reads_answers=reads_answers)
        )
        if app_user_id
        else [],
    }
    for who, missing_rights in lacks.items():
        if missing_rights is None:
            notes.append("Dataverse does not tell which privileges a user has: they are not checked.")
        elif missing_rights:
            listed = "".join(f"\n    {one}" for one in missing_rights)
            problems.append(f"{who} these privileges for the whole organization; add them to a security role:{listed}")
    if any(entry.part.kind is Kind.TABLE for entry in plan):
        types = ", ".join(right.type for right in RIGHTS_ON_ANSWERS)
        notes.append(f"Once the table is made, give the app's role these rights on {ANSWER_TABLE}: {types}.")
    return Survey(
        user_id=user_id,
        app_user_id=app_user_id,
        plan=plan,
        there=[part for part in wanted if found.values_of(part) is not None and part.title not in touched],
        problems=[*problems, *find_conflicts(wanted, found)],
        notes=list(dict.fromkeys(notes)),
    )


async def install(
    plan: Sequence[PlanEntry],
    wanted: Sequence[Part],
    environment: Environment,
    *,
    clock: Clock,
    sleep: Sleep,
    done: Callable[[PlanEntry], None],
    waiting: Callable[[str], None],
) -> None:
    """Carry out a plan. Dataverse begins to call us only when the keys are there that we find rows by.

    `done` is told each entry, `waiting` each status of a key that is not the last. Raises as `await_key` does.
    """
    await carry_out([entry for entry in plan if entry.part.kind not in INTAKE], wanted, environment, done)
    for key in (part for part in wanted if part.kind is Kind.KEY):
        await await_key(key, environment, clock=clock, sleep=sleep, waiting=waiting)
    await carry_out([entry for entry in plan if entry.part.kind in INTAKE], wanted, environment, done)


async def carry_out(
    plan: Sequence[PlanEntry], wanted: Sequence[Part], environment: Environment, done: Callable[[PlanEntry], None]
) -> None:
    """Do what the entries say, in their order. Raises `Refused`, `AccessDenied`, `TransientError`."""
    for entry in plan:
        try:
            for request in environment.requests_of(entry):
                await environment.send(request)
        except Refused:
            # A repeated request is refused when only the answer to the first one was lost.
            if entry.doing is not Doing.CREATE or (await environment.read(wanted)).values_of(entry.part) is None:
                raise
        done(entry)


async def await_key(
    key: Part, environment: Environment, *, clock: Clock, sleep: Sleep, waiting: Callable[[str], None]
) -> None:
    """Wait until the key's index is there. Raises `Refused` when it failed, `ServiceUnavailable` when it takes long."""
    began_at = clock()
    while (status := await environment.key_status(key)) != KEY_ACTIVE:
        if status == KEY_FAILED:
            error = Refused(f"Dataverse could not build the index of the key {key.name}.")
            error.mend = (
                "Run setup again: it starts the job anew (ReactivateEntityKey). If it fails again, two rows of "
                f"{key.table} say the same in {key.values['columns']}: empty it in one of them."
            )
            raise error
        if clock() - began_at >= KEY_PATIENCE:
            minutes = int(KEY_PATIENCE.total_seconds() // 60)
            raise ServiceUnavailable(
                f"After {minutes} minutes Dataverse is still building the index of the key {key.name} ({status}). "
                "With many rows that takes long. Run setup again later: it goes on from here. If it stays so, look "
                "for its job among the system jobs, and start it anew with the action ReactivateEntityKey."
            )
        waiting(status)
        await sleep(KEY_POLL_SECONDS)
