"""A tenant that is asked why: diagnoses of its bookings and appointments, as the command line and the page get them."""

from argparse import Namespace
from random import Random
from typing import Any

from local.switchboard import APP_TOKEN
from local.wiring import DATAVERSE_URL
from sync.adapters.dataverse_diagnosis import DataverseRecords
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.bootstrap import Workshop
from sync.commands.diagnose import run_diagnose
from sync.core.diagnosis import Diagnosis, Finding, Result
from sync.service.diagnosing import diagnose_appointment, diagnose_booking
from tests.dispatching import DispatchTenant


class AskedTenant(DispatchTenant):
    """A tenant with an administrator who asks why."""

    @property
    def records(self) -> DataverseRecords:
        transport = Transport(
            classify=classify_dataverse_failure, clock=self.clock.now, sleep=self.sleep, random=Random(0)
        )
        http = open_http(transport=self._dataverse_transport)
        return DataverseRecords(DataverseHttp(http, StaticTokenCredential(APP_TOKEN), transport, url=DATAVERSE_URL))

    async def let_microsoft_sync(self) -> None:
        """Somebody switches Microsoft's own sync of appointments on for the technician's mailbox."""
        row_id = await self._only(f"mailboxes?$filter=name eq '{self.technician.name}'", "mailboxid")
        await self.patch(f"mailboxes({row_id})", actdeliverymethod=1, enabledforact=True, actstatus=1)

    async def why_booking(self, booking_id: str) -> Diagnosis:
        return await diagnose_booking(booking_id, self.ports, self.rules, self.records)

    async def why_appointment(self, appointment_id: str) -> Diagnosis:
        return await diagnose_appointment(appointment_id, self.ports, self.records)

    async def command(self, kind: str, record: str, *, json: bool = False) -> int:
        """The exit code of `python -m sync diagnose`."""
        shop = Workshop(ports=self.ports, rules=self.rules)
        return await run_diagnose(Namespace(kind=kind, record=record, json=json), shop, self.records)

    def spoken(self) -> Any:
        """What the app has said to anybody: its calls that write, its queue, its tables' operations that write."""
        writes = {name for name in self.state.calls if not name.startswith(("find_", "list_", "page_"))}
        return (
            self.app_writes,
            self.queue.calls.copy(),
            self.letters.calls["bury"],
            self.journal.calls["write"],
            {name: self.state.calls[name] for name in writes},
        )


def failing(diagnosis: Diagnosis) -> set[str]:
    return {finding.rule for finding in diagnosis.findings if finding.result is Result.FAIL}


def not_known(diagnosis: Diagnosis) -> set[str]:
    return {finding.rule for finding in diagnosis.findings if finding.result is Result.UNKNOWN}


def finding_of(diagnosis: Diagnosis, rule: str) -> Finding:
    (found,) = [finding for finding in diagnosis.findings if finding.rule == rule]
    return found
