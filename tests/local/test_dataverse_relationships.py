"""Relationships and choices that requests define in the Dataverse simulator."""

from typing import Any

import pytest

from tests.local.dataverse_customizing import IN_SOLUTION, Customized, column, customized, label, table
from tests.local.dataverse_environment import refusal

RELATIONSHIP = "/RelationshipDefinitions(SchemaName='bks_contact_bks_reply')"


def relationship(**changes: Any) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "SchemaName": "bks_contact_bks_reply",
        "ReferencedEntity": "contact",
        "ReferencedAttribute": "contactid",
        "ReferencingEntity": "bks_reply",
        "CascadeConfiguration": {"Delete": "Cascade"},
        "Lookup": {
            "@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata",
            "SchemaName": "bks_Contact",
            "DisplayName": label("Contact"),
        },
        **changes,
    }


def choice(*values: int, **changes: Any) -> dict[str, Any]:
    options = [{"Value": value, "Label": label(f"Option {value}")} for value in values]
    return column(
        "Picklist",
        "bks_Kind",
        OptionSet={"IsGlobal": False, "OptionSetType": "Picklist", "Options": options, **changes},
    )


async def with_table(*attributes: dict[str, Any]) -> Customized:
    dataverse = await customized()
    await dataverse.create("/EntityDefinitions", table("bks_Reply", *attributes), IN_SOLUTION)
    return dataverse


async def related(**changes: Any) -> Customized:
    dataverse = await with_table()
    await dataverse.create("/RelationshipDefinitions", relationship(**changes), IN_SOLUTION)
    return dataverse


async def reply_of(dataverse: Customized) -> tuple[str, str]:
    """A contact, and a reply that points at it."""
    contact_id = await dataverse.create("/contacts", {"fullname": "Ada"})
    binding = {"bks_name": "yes", "bks_Contact@odata.bind": f"/contacts({contact_id})"}
    return contact_id, await dataverse.create("/bks_replies", binding)


async def test_the_lookup_is_bound_by_its_schema_name_and_the_collection_has_the_relationships() -> None:
    dataverse = await related()
    contact_id, reply_id = await reply_of(dataverse)
    shown = await dataverse.get(f"/contacts({contact_id})", expand="bks_contact_bks_reply($select=bks_name)")
    assert [one["bks_replyid"] for one in shown["bks_contact_bks_reply"]] == [reply_id]
    definition = await dataverse.get(RELATIONSHIP)
    assert definition["ReferencingEntityNavigationPropertyName"] == "bks_Contact"
    assert definition["ReferencingAttribute"] == "bks_contact"


@pytest.mark.parametrize(
    ("deletion", "status", "left"), [("Cascade", 204, 0), ("RemoveLink", 204, 1), ("Restrict", 405, 1)]
)
async def test_a_deletion_does_what_was_configured(deletion: str, status: int, left: int) -> None:
    dataverse = await related(CascadeConfiguration={"Delete": deletion})
    contact_id, _ = await reply_of(dataverse)
    assert (await dataverse.app.delete(f"/contacts({contact_id})")).status_code == status
    assert len((await dataverse.get("/bks_replies"))["value"]) == left


@pytest.mark.parametrize(
    "changes",
    [
        {"SchemaName": "new_contact_bks_reply"},
        {"ReferencingEntity": "bks_nothing"},
        {"ReferencedEntity": "bks_nothing"},
        {"ReferencedAttribute": "fullname"},
        {"Lookup": None},
        {"CascadeConfiguration": {"Delete": "Explode"}},
    ],
    ids=["prefix", "no child", "no parent", "no key", "no lookup", "cascade"],
)
async def test_what_does_not_fit_is_refused_and_nothing_is_made(changes: dict[str, Any]) -> None:
    dataverse = await with_table()
    answer = await dataverse.app.post("/RelationshipDefinitions", json=relationship(**changes), headers=IN_SOLUTION)
    assert refusal(answer)[0] == 400
    assert refusal(await dataverse.app.get(RELATIONSHIP))[0] == 404


async def test_a_name_can_be_used_once() -> None:
    dataverse = await related()
    assert refusal(await dataverse.app.post("/RelationshipDefinitions", json=relationship()))[0] == 400


async def test_its_lookup_and_its_collection_go_with_it() -> None:
    dataverse = await related()
    contact_id, reply_id = await reply_of(dataverse)
    assert (await dataverse.app.delete(RELATIONSHIP)).status_code == 204
    assert "_bks_contact_value" not in await dataverse.get(f"/bks_replies({reply_id})")
    answer = await dataverse.app.get(f"/contacts({contact_id})", params={"$expand": "bks_contact_bks_reply"})
    assert answer.status_code == 400


async def test_a_table_takes_the_collections_of_others_with_it() -> None:
    dataverse = await related()
    contact_id, _ = await reply_of(dataverse)
    assert (await dataverse.app.delete("/EntityDefinitions(LogicalName='bks_reply')")).status_code == 204
    answer = await dataverse.app.get(f"/contacts({contact_id})", params={"$expand": "bks_contact_bks_reply"})
    assert answer.status_code == 400


async def test_a_choice_takes_its_options_and_no_other_value() -> None:
    dataverse = await with_table(choice(721_100_000, 721_100_001))
    row_id = await dataverse.create("/bks_replies", {"bks_kind": 721_100_001})
    assert (await dataverse.get(f"/bks_replies({row_id})"))["bks_kind"] == 721_100_001
    assert refusal(await dataverse.app.post("/bks_replies", json={"bks_kind": 1}))[0] == 400


@pytest.mark.parametrize(
    ("definition", "status"), [(choice(), 400), (choice(1, IsGlobal=True), 501)], ids=["empty", "global"]
)
async def test_a_choice_without_options_of_its_own_is_refused(definition: dict[str, Any], status: int) -> None:
    dataverse = await with_table()
    answer = await dataverse.app.post("/EntityDefinitions(LogicalName='bks_reply')/Attributes", json=definition)
    assert refusal(answer)[0] == status
