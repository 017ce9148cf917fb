"""Plays one history on a stage, from its beginning until all is healed and at rest, and says which claims it broke."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from simulation.claims import Claims
from simulation.history import Act, Deed, History, Ill, Trouble
from simulation.misfortune import MOMENTS
from simulation.stage import LONGEST_REST, Stage
from sync.core.content import Template
from sync.core.reconcile import OnCancellation, OnDeletion, Policy, Winner
from sync.service.breaker import release as release_breaker
from sync.service.disposal import replay as replay_letter

FAULTS_ARE_TOLD_TO = ("local", "asyncio")
"""The loggers on which the simulators tell that they failed, and the loop that something failed unseen."""

DECIDING = ("sync.service.reconciling", "sync.service.delivering")
"""The loggers that tell each decision."""

COUNTED_WHERE_THEY_STRIKE = (Ill.BUG, Ill.CRASH)

LEFT_TO_SWEEPS = frozenset(
    {
        Ill.NOTIFICATIONS_LOST,
        Ill.WEBHOOKS_LOST,
        Ill.DOOR_SHUT,
        Ill.QUEUE_DOWN,
        Ill.READS_STALE,
        Ill.READS_EMPTY,
        Ill.CRASH,
        Ill.SUBSCRIPTION_GONE,
        Ill.SUBSCRIPTION_EXPIRES,
        Ill.SUBSCRIPTION_REMOVED,
        Ill.NOTIFICATIONS_MISSED,
        Ill.REAUTHORIZATION,
        Ill.MAILBOX_LOST,
        Ill.BUG,
        Ill.GRAPH_GARBLED,
    }
)
"""After these, something may wait for a sweep or a person; after all others both sides agree by themselves."""

DELTA_PASS_IN_EVERY = 3
"""A pass takes as many calls as many a history."""

TIMER_SECONDS = 1800.0
MOST_PROBES = 12
"""Sweeps until every mailbox that was lost has been probed again."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a history. `seen` counts what was exercised: deeds that were done, ills that struck, decisions."""

    seed: int
    broken: list[str]
    seen: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    calls: int = 0


class Play:
    """One history on a stage, which serves for no other."""

    def __init__(self, stage: Stage, history: History) -> None:
        self._stage = stage
        self._cluster = stage.cluster
        self._history = history
        self._decisions = _Decisions()
        self._report = Report(seed=history.seed, broken=[], story=stage.story)

    async def run(self) -> Report:
        report, faults = self._report, _Faults()
        self._prepare()
        for name in FAULTS_ARE_TOLD_TO:
            logging.getLogger(name).addHandler(faults)
        for name in DECIDING:
            logging.getLogger(name).setLevel(logging.DEBUG)
            logging.getLogger(name).addHandler(self._decisions)
        try:
            await self._let_it_happen()
            await self._heal()
            report.calls = self._cluster.graph_gauge.calls + self._cluster.dataverse_gauge.calls
            report.broken += Claims(self._stage).broken(may_lose_edits=self._may_lose_edits)
            report.broken += await self._broken_by_another_pass()
        except TimeoutError:
            report.broken.append(f"it did not come to rest within {LONGEST_REST}")
        self._cluster.weather.count_losses()
        report.broken += faults.messages
        report.seen.update({str(ill): times for ill, times in self._cluster.weather.struck.items()})
        report.seen.update(self._decisions.seen)
        return report

    @property
    def _may_lose_edits(self) -> bool:
        """Where an event was read long before it is written, and etags are ignored, a change meanwhile is not seen."""
        is_old = any(trouble.ill in (Ill.READS_STALE, Ill.GRAPH_SLOW) for trouble in self._history.troubles)
        return is_old and self._history.graph.get("if_match", "ignore") == "ignore"

    def _prepare(self) -> None:
        """What is special about this tenant, and chance from its seed."""
        stage, history, rules = self._stage, self._history, self._cluster.rules
        sources = (stage.chance, stage.graph.switchboard.random, stage.dataverse.switchboard.random)
        for name, source in zip(("app", "Graph", "Dataverse"), sources, strict=True):
            source.seed(f"{history.seed} {name}")
        stage.dataverse_clock.skew = timedelta(seconds=history.skew_seconds)
        stage.graph.switchboard.set_switches(dict(history.graph))
        stage.dataverse.switchboard.set_switches(dict(history.dataverse))
        choices = history.choices
        policy = Policy(
            conflict_winner=Winner(choices.get("winner", Winner.DYNAMICS)),
            on_deletion=OnDeletion(choices.get("on_deletion", OnDeletion.CANCEL)),
            on_cancellation=OnCancellation(choices.get("on_cancellation", OnCancellation.REMOVE)),
        )
        breaker = replace(rules.breaker, number=choices.get("breaker", rules.breaker.number))
        templates = rules.templates
        if "subject" in choices:
            templates = replace(templates, subject=Template.parse(choices["subject"]))
        self._cluster.rules = replace(rules, policy=policy, breaker=breaker, templates=templates)
        self._cluster.clock_offsets = history.clock_offsets
        self._cluster.settle_seconds = choices.get("settle_seconds", self._cluster.settle_seconds)
        self._cluster.instances.clear()
        for _ in range(history.instances):
            self._cluster.start_instance()

    async def _let_it_happen(self) -> None:
        async with asyncio.TaskGroup() as happenings:
            for act in self._history.acts:
                happenings.create_task(self._act(act))
            for trouble in self._history.troubles:
                happenings.create_task(self._befall(trouble))
            for at in self._history.sweeps:
                happenings.create_task(self._sweep(at))
            timers = happenings.create_task(self._run_timers())
            await asyncio.sleep(self._history.lasts + 1)
            timers.cancel()

    async def _act(self, act: Act) -> None:
        stage = self._stage
        await asyncio.sleep(act.at)
        stage.tell(f"act {act.number}: somebody {act.deed} (visit {act.visit}, {act.hours:+g} h, to {act.technician})")
        stage.ledger.person_acts = True
        try:
            is_done = await stage.people.do(act)
        finally:
            stage.ledger.person_acts = False
        self._report.seen[str(act.deed)] += is_done
        if not is_done:
            stage.tell("  which cannot be done now")

    async def _befall(self, trouble: Trouble) -> None:
        await asyncio.sleep(trouble.at)
        self._stage.tell(f"trouble: {trouble.ill}, for {trouble.lasts:.0f} s")
        if (moment := MOMENTS.get(trouble.ill)) is not None:
            self._cluster.weather.struck[trouble.ill] += trouble.ill not in COUNTED_WHERE_THEY_STRIKE
            await moment(self._stage, trouble)
            return
        self._cluster.weather.begin(trouble)
        await asyncio.sleep(trouble.lasts)
        self._cluster.weather.end(trouble)

    async def _sweep(self, at: float) -> None:
        await asyncio.sleep(at)
        self._stage.tell("the timers come round")
        await self._cluster.sweep()

    async def _run_timers(self) -> None:
        while True:
            await asyncio.sleep(TIMER_SECONDS)
            await self._cluster.maintain()
            await self._cluster.sweep()

    async def _heal(self) -> None:
        """Everything works again, and has had the time and the sweeps to come to rest; then a person looks after it."""
        stage, cluster = self._stage, self._cluster
        stage.tell("everything works again")
        cluster.weather.clear_up()
        await stage.rest()
        if self._is_settled_by_push:
            self._report.broken += [f"before any sweep: {one}" for one in Claims(stage).broken_agreement()]
        for _ in range(MOST_PROBES):
            await cluster.maintain()
            await cluster.sweep()
            await stage.rest()
            if not [one async for one in cluster.state.list_quarantines()]:
                break
            await asyncio.sleep(TIMER_SECONDS)
        stage.tell("an administrator releases what is held, and replays what is buried")
        await self._look_after()
        await stage.rest()

    @property
    def _is_settled_by_push(self) -> bool:
        """Whether nothing was left to a sweep, or to a person."""
        is_unheard = any(act.deed is Deed.FILE for act in self._history.acts)  # Other calendars are not subscribed to.
        is_lost = any(trouble.ill in LEFT_TO_SWEEPS for trouble in self._history.troubles)
        return not is_unheard and not is_lost and not self._cluster.letters.letters

    async def _look_after(self) -> None:
        ports = self._cluster.shop_of(self._cluster.instances[0]).ports
        held = [one.mailbox_id async for one in ports.state.list_breakers() if one.held_since]
        for mailbox_id in held:
            await release_breaker(mailbox_id, ports)
        for letter in [one async for one in ports.dead_letters.list_letters()]:
            self._stage.tell(f"  replay: {letter.error_class}, {letter.reason}")
            await replay_letter(letter, ports)
            self._cluster.timers_run["replay"] += 1
        if held:
            await self._cluster.sweep()

    async def _broken_by_another_pass(self) -> list[str]:
        """A further pass finds nothing to write: a full one, and in some histories a delta before it."""
        gauges = (self._cluster.graph_gauge, self._cluster.dataverse_gauge)
        self._stage.tell("another pass")
        for gauge in gauges:
            gauge.forget()
        for is_full in (False, True) if self._history.seed % DELTA_PASS_IN_EVERY == 0 else (True,):
            await self._cluster.sweep(is_full=is_full)
            await self._stage.rest()
        writes = gauges[0].writes + gauges[1].writes
        return [f"another pass wrote: {dict(writes)}"] if writes else []


class _Decisions(logging.Handler):
    """Counts what the app decides."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "action", "") == "decided":
            self.seen[f"{record.decision}, {record.reason}"] += 1  # type: ignore[attr-defined]


class _Faults(logging.Handler):
    """What failed beside the app: with it, a history says nothing about the app."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"the simulation failed: {record.getMessage()}")
