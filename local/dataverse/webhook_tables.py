"""The tables in which webhooks are registered, and in which the service keeps its background jobs.

Source: Dataverse documentation, table references of ServiceEndpoint, SdkMessage, SdkMessageFilter,
SdkMessageProcessingStep, SdkMessageProcessingStepImage and AsyncOperation. Of the columns that the references call
required, those are optional here that working programs leave out.
"""

from dataclasses import replace

from local.dataverse.columns import choice, flag, integer, lookup, memo, text, time
from local.dataverse.schema import Column, ColumnType, Table
from local.dataverse.table_definition import define_table

ENDPOINT = "serviceendpoint"
MESSAGE = "sdkmessage"
FILTER = "sdkmessagefilter"
STEP = "sdkmessageprocessingstep"
IMAGE = "sdkmessageprocessingstepimage"
JOB = "asyncoperation"

WEBHOOK = 8
WEBHOOK_KEY, HTTP_HEADER, HTTP_QUERY_STRING = 4, 5, 6
PRE_VALIDATION, PRE_OPERATION, POST_OPERATION = 10, 20, 40
SYNCHRONOUS, ASYNCHRONOUS = 0, 1
PRE_IMAGE, POST_IMAGE, BOTH_IMAGES = 0, 1, 2
ENABLED, DISABLED = 0, 1
COMPLETED, SUCCEEDED, FAILED = 3, 30, 31

_CONTRACTS = {
    1: "OneWay",
    2: "Queue",
    3: "Rest",
    4: "TwoWay",
    5: "Topic",
    6: "Queue (Persistent)",
    7: "Event Hub",
    WEBHOOK: "Webhook",
    9: "Event Grid",
}
_AUTHENTICATION = {
    0: "Not Specified",
    1: "ACS",
    2: "SAS Key",
    3: "SAS Token",
    WEBHOOK_KEY: "Webhook Key",
    HTTP_HEADER: "HTTP Header",
    HTTP_QUERY_STRING: "HTTP Query String",
    7: "Connection String",
    8: "Access Key",
}
_STAGES = {PRE_VALIDATION: "Pre-validation", PRE_OPERATION: "Pre-operation", POST_OPERATION: "Post-operation"}
_JOB_STATES = {0: "Ready", 1: "Suspended", 2: "Locked", COMPLETED: "Completed"}
_JOB_STATUSES = {
    0: "Waiting For Resources",
    10: "Waiting",
    20: "In Progress",
    21: "Pausing",
    22: "Canceling",
    SUCCEEDED: "Succeeded",
    FAILED: "Failed",
    32: "Canceled",
}


def webhook_tables() -> list[Table]:
    message = replace(define_table("SdkMessage", "sdkmessages", "Sdk Message", [text("name", 256)]), is_fixed=True)
    message_filter = [
        text("name", 256),
        text("primaryobjecttypecode", 64),
        text("secondaryobjecttypecode", 64),
        lookup("sdkmessageid", MESSAGE, required=True),
    ]
    return [
        define_table("ServiceEndpoint", "serviceendpoints", "Service Endpoint", _endpoint()),
        message,
        replace(
            define_table("SdkMessageFilter", "sdkmessagefilters", "Sdk Message Filter", message_filter), is_fixed=True
        ),
        define_table(
            "SdkMessageProcessingStep", "sdkmessageprocessingsteps", "Sdk Message Processing Step", _step_columns()
        ),
        define_table(
            "SdkMessageProcessingStepImage",
            "sdkmessageprocessingstepimages",
            "Sdk Message Processing Step Image",
            _image_columns(),
        ),
        define_table("AsyncOperation", "asyncoperations", "System Job", _job_columns()),
    ]


def _endpoint() -> list[Column]:
    return [
        text("name", 100, required=True),
        text("description", 100),
        choice("contract", _CONTRACTS, required=True),
        text("url", 2_000),
        choice("authtype", _AUTHENTICATION, required=True),
        text("authvalue", 2_048),
        flag("isauthvalueset", writable=False),
        choice("messageformat", {1: ".NET Binary", 2: "Json", 3: "XML"}, default=2),
        choice("connectionmode", {1: "Normal", 2: "Federated"}, required=True, default=1),
        choice("userclaim", {1: "None", 2: "UserId", 3: "UserInfo"}, required=True, default=1),
        text("path", 160),
        text("solutionnamespace", 160),
        text("namespaceaddress", 160),
    ]


def _step_columns() -> list[Column]:
    return [
        text("name", 256),
        text("description", 256),
        choice("stage", _STAGES, required=True),
        choice("mode", {SYNCHRONOUS: "Synchronous", ASYNCHRONOUS: "Asynchronous"}, required=True),
        integer("rank", required=True),
        choice("supporteddeployment", {0: "Server Only"}, required=True, default=0),
        text("filteringattributes", 100_000),
        flag("asyncautodelete"),
        flag("canbebypassed", default=True),
        lookup("eventhandler", ENDPOINT, "eventhandler_serviceendpoint", required=True, restrict=True),
        lookup(MESSAGE + "id", MESSAGE, required=True),
        lookup(FILTER + "id", FILTER),
        lookup("impersonatinguserid", "systemuser"),
        _choice("statecode", ColumnType.STATE, {ENABLED: "Enabled", DISABLED: "Disabled"}, default=ENABLED),
        _choice("statuscode", ColumnType.STATUS, {1: "Enabled", 2: "Disabled"}, default=1),
    ]


def _image_columns() -> list[Column]:
    return [
        text("name", 256),
        text("entityalias", 256, required=True),
        choice("imagetype", {PRE_IMAGE: "PreImage", POST_IMAGE: "PostImage", BOTH_IMAGES: "Both"}, required=True),
        text("messagepropertyname", 256, required=True),
        text("attributes", 100_000),
        lookup(STEP + "id", STEP, required=True),
    ]


def _job_columns() -> list[Column]:
    return [
        text("name", 256),
        memo("message"),
        text("messagename", 160),
        text("primaryentitytype", 64),
        choice("operationtype", {1: "System Event"}, default=1),
        integer("retrycount", default=0),
        text("correlationid", 36),
        time("startedon"),
        time("completedon"),
        lookup("owningextensionid", STEP),
        _choice("statecode", ColumnType.STATE, _JOB_STATES, default=0),
        _choice("statuscode", ColumnType.STATUS, _JOB_STATUSES, default=0),
    ]


def _choice(name: str, kind: ColumnType, choices: dict[int, str], *, default: int) -> Column:
    return Column(name=name, type=kind, choices=choices, required=True, default=default)
