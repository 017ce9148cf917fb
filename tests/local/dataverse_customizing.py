"""Bodies of metadata requests as the documentation shows them, and a solution to put components into."""

import json
from typing import Any

import httpx

from tests.local.dataverse_environment import ROOT, Environment, refusal

BOOKING = "/EntityDefinitions(LogicalName='bookableresourcebooking')"
IN_SOLUTION = {"MSCRM.SolutionUniqueName": "bookingsync"}


def label(text: str) -> dict[str, Any]:
    localized = {"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": 1033}
    return {"@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [localized]}


def column(kind: str, schema_name: str, **properties: Any) -> dict[str, Any]:
    return {
        "@odata.type": f"Microsoft.Dynamics.CRM.{kind}AttributeMetadata",
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{kind}Type"},
        "SchemaName": schema_name,
        "DisplayName": label(schema_name.partition("_")[2]),
        "RequiredLevel": {
            "Value": "None",
            "CanBeChanged": True,
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
        **properties,
    }


def string(schema_name: str, max_length: int, **properties: Any) -> dict[str, Any]:
    return column("String", schema_name, MaxLength=max_length, FormatName={"Value": "Text"}, **properties)


def boolean(schema_name: str, *, default: bool) -> dict[str, Any]:
    options = {
        "TrueOption": {"Value": 1, "Label": label("Sent")},
        "FalseOption": {"Value": 0, "Label": label("Not sent")},
        "OptionSetType": "Boolean",
    }
    return column("Boolean", schema_name, OptionSet=options, DefaultValue=default)


def key(schema_name: str, *columns: str) -> dict[str, Any]:
    return {"SchemaName": schema_name, "KeyAttributes": list(columns), "DisplayName": label("Event")}


def table(schema_name: str, *attributes: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata",
        "SchemaName": schema_name,
        "DisplayName": label("Answer"),
        "DisplayCollectionName": label("Answers"),
        "Description": label("What an attendee has answered."),
        "OwnershipType": "UserOwned",
        "IsActivity": False,
        "HasActivities": False,
        "HasNotes": False,
        "Attributes": [string("bks_Name", 100, IsPrimaryName=True), *attributes],
        **properties,
    }


def change_set(*requests: tuple[str, str, dict[str, Any]]) -> str:
    """The body of a batch (boundary `batch`) whose only part is a change set of these requests."""
    parts = [
        f"--set\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"{method} {ROOT}{path} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}\r\n"
        for number, (method, path, body) in enumerate(requests, start=1)
    ]
    return f"--batch\r\nContent-Type: multipart/mixed; boundary=set\r\n\r\n{''.join(parts)}--set--\r\n--batch--\r\n"


class Customized(Environment):
    """An environment without the product's columns, but with its publisher and its solution."""

    def __init__(self, **switches: Any) -> None:
        super().__init__(**{"app_columns_installed": False, **switches})

    async def create_solution(self, name: str = "bookingsync", prefix: str = "bks") -> str:
        """The new solution's id."""
        publisher = {
            "uniquename": f"{name}publisher",
            "friendlyname": "Booking sync",
            "customizationprefix": prefix,
            "customizationoptionvalueprefix": 72_700,
        }
        publisher_id = await self.create("/publishers", publisher)
        solution = {
            "uniquename": name,
            "friendlyname": "Booking sync",
            "version": "1.0.0.0",
            "publisherid@odata.bind": f"/publishers({publisher_id})",
        }
        return await self.create("/solutions", solution)

    async def create(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> str:
        """POST that must succeed; the guid at the end of the new thing's address."""
        response = await self.app.post(path, json=body, headers=headers)
        assert response.status_code == 204, response.text
        return response.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")

    async def add_column(self, body: dict[str, Any]) -> str:
        return await self.create(f"{BOOKING}/Attributes", body, IN_SOLUTION)

    async def refused(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """Status and code with which a POST is refused."""
        return refusal(await self.app.post(path, json=body, headers=IN_SOLUTION))

    async def components(self, solution_id: str) -> set[tuple[int, str]]:
        """Type and object id of what the solution holds."""
        found = await self.get("/solutioncomponents", filter=f"_solutionid_value eq {solution_id}")
        return {(one["componenttype"], one["objectid"]) for one in found["value"]}

    async def index_status(self, schema_name: str = "bks_EventKey") -> str:
        keys = (await self.get(f"{BOOKING}/Keys"))["value"]
        (status,) = (one["EntityKeyIndexStatus"] for one in keys if one["SchemaName"] == schema_name)
        return str(status)

    async def patch(self, values: dict[str, Any], path: str | None = None) -> httpx.Response:
        return await self.app.patch(path or self.path, json=values, headers={"If-Match": "*"})


async def customized(**switches: Any) -> Customized:
    environment = Customized(**switches)
    await environment.create_solution()
    return environment
