"""Open extensions and extended properties of events: from JSON and to JSON.

Sources: Graph documentation, opentypeextension-post-opentypeextension, opentypeextension-get, -update,
singlevaluelegacyextendedproperty-get.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.graph.errors import GraphError, invalid_request
from local.graph.events import Event
from local.graph.odata import Expand, extension_matches, property_id

_TYPES = ("microsoft.graph.openTypeExtension", "#microsoft.graph.openTypeExtension")
_MILLISECONDS_NONE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.0+Z")


def parse_extension(body: Any) -> tuple[str, dict[str, Any]]:
    """Name and properties of an open extension; null values are left out, as a null clears a property."""
    if not isinstance(body, dict) or body.get("@odata.type") not in _TYPES:
        raise invalid_request("An open extension needs @odata.type 'microsoft.graph.openTypeExtension'.")
    name = body.get("extensionName")
    if not isinstance(name, str) or not name:
        # The service itself falls over here instead of refusing.
        raise GraphError(500, "ErrorInternalServerError", "An internal server error occurred: no extensionName.")
    properties = {key: value for key, value in body.items() if key not in ("@odata.type", "extensionName", "id")}
    return name, {key: _primitive(key, value) for key, value in properties.items() if value is not None}


def _primitive(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_primitive(key, each) for each in value if not isinstance(each, list)]
    if isinstance(value, dict):
        raise invalid_request(f"The value of {key!r} in an open extension must be a primitive or a list of them.")
    if isinstance(value, str):
        return _MILLISECONDS_NONE.sub(r"\1Z", value)
    return value


def parse_extended_properties(body: Any) -> dict[str, str]:
    """Values of single-value extended properties by canonical id."""
    if not isinstance(body, list):
        raise invalid_request("singleValueExtendedProperties must be a list.")
    values = {}
    for each in body:
        if not isinstance(each, dict) or not isinstance(each.get("value"), str) or not isinstance(each.get("id"), str):
            raise invalid_request("An extended property needs an id and a value, both texts.")
        values[property_id(each["id"])] = each["value"]
    return values


def extension_json(name: str, properties: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.openTypeExtension",
        "id": prefix + name,
        "extensionName": name,
        **properties,
    }


def expanded(event: Event, expand: Expand, switches: Mapping[str, Any]) -> dict[str, Any]:
    """What `$expand` adds to an event's JSON."""
    added: dict[str, Any] = {}
    if expand.extensions is not None:
        found = [
            extension_json(name, properties, switches["extension_id_prefix"])
            for name, properties in event.extensions.items()
            if any(extension_matches(name, wanted) for wanted in expand.extensions)
        ]
        if found or switches["extensions_when_none"] == "empty":
            added["extensions"] = found
    if expand.extended_properties is not None:
        values = [
            {"id": each, "value": event.extended_properties[each]}
            for each in expand.extended_properties
            if each in event.extended_properties
        ]
        if values:
            added["singleValueExtendedProperties"] = values
    return added
