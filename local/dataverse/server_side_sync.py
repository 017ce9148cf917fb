"""The columns by which Microsoft's own sync of mailboxes is set up. The sync itself is not modelled.

Source: Dataverse documentation, table references of `mailbox` and `organization`; Power Platform documentation, default
OrgDBOrgSettings. Checked 2026-11-21.
"""

from local.dataverse.columns import choice, flag, lookup, memo, text, time
from local.dataverse.schema import Column

_RESULTS = {0: "Not Run", 1: "Success", 2: "Failure"}


def mailbox_columns() -> list[Column]:
    return [
        text("name", 200),
        text("emailaddress", 100),
        lookup("regardingobjectid", "systemuser"),
        choice(
            "actdeliverymethod",
            {0: "Microsoft Dynamics 365 for Outlook", 1: "Server-Side Synchronization", 2: "None"},
            default=2,
        ),
        flag("enabledforact"),
        choice("actstatus", _RESULTS, default=0),
        choice(
            "emailrouteraccessapproval", {0: "Empty", 1: "Approved", 2: "Pending Approval", 3: "Rejected"}, default=0
        ),
        time("lastsuccessfulsynccompletedon"),
    ]


def organization_columns() -> list[Column]:
    """`orgdborgsettings` holds `<OrgSettings><Name>value</Name>...</OrgSettings>`, empty while all have defaults."""
    return [memo("orgdborgsettings")]
