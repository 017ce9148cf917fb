"""What a checkup sees of a real storage account."""

from sync.adapters.journal_store import TableDeadLetters
from sync.adapters.probing import DeploymentProbes
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.storage_clients import StorageAddress, queue_service
from sync.adapters.tables import PREFIX
from sync.core.work import EVENT_CHANGES_QUEUE
from tests.contracts import stored_values as values
from tests.contracts.conftest import own_tables


async def test_the_apps_queues_and_tables_are_seen_and_no_others(azurite: str) -> None:
    address = StorageAddress(connection_string=azurite)
    async with own_tables(azurite) as (tables, prefix), queue_service(address) as queues:
        await TableDeadLetters(tables, prefix=f"{PREFIX}{prefix}").bury(values.DEAD_LETTER)
        await TableDeadLetters(tables, prefix=prefix).bury(values.DEAD_LETTER)
        probes = DeploymentProbes(
            queues=queues, tables=tables, credential=StaticTokenCredential("x"), addresses={}, clock=lambda: values.NOW
        )
        seen = await probes.read_storage()
        await tables.delete_table(f"{PREFIX}{prefix}deadletters")
    assert f"{PREFIX}{prefix}deadletters" in seen.tables
    assert f"{prefix}deadletters" not in seen.tables
    assert EVENT_CHANGES_QUEUE in seen.messages
