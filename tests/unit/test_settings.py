"""The settings are complete and sane, or refused with every problem at once."""

import json
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sync.core.content import (
    DEFAULT_BODY,
    DEFAULT_CATEGORIES,
    DEFAULT_LOCATION,
    DEFAULT_SUBJECT,
    ShowAs,
    Template,
    Templates,
)
from sync.core.errors import ConfigurationError
from sync.core.reconcile import OnCancellation, OnDeletion, Scope, Winner
from sync.core.sides import BookingPhase
from sync.core.subscriptions import key_of
from sync.setting_values import is_loopback
from sync.settings import SETTING_NAMES, Settings
from tests.unit.values import MAILBOX, OTHER_MAILBOX, TENANT

SAMPLE = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())
SECRET = "one-secret-of-more-than-32-characters"
PREVIOUS = "its-predecessor-of-more-than-32-characters"
WEBHOOK_SECRET = "one-webhook-secret-of-more-than-32-characters"
PREVIOUS_WEBHOOK_SECRET = "its-predecessor-at-the-door-of-more-than-32-characters"
CONNECTION_STRING = "DefaultEndpointsProtocol=https;AccountName=one;AccountKey=c2VjcmV0a2V5"
VAULT = "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/one)"

COMPLETE = {
    "AzureWebJobsStorage": CONNECTION_STRING,
    "TENANT_ID": TENANT,
    "DATAVERSE_URL": "https://contoso.crm4.dynamics.com",
    "PUBLIC_URL": "https://app.example",
    "CLIENT_STATE_SECRET": SECRET,
    "DATAVERSE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "MAINTAIN_SCHEDULE": "0 */5 * * * *",
    "SWEEP_SCHEDULE": "0 */15 * * * *",
}
LOOPBACK = {"GRAPH_URL": "http://127.0.0.1:7080/v1.0", "DATAVERSE_URL": "http://localhost:7090"}


def read(**different: str) -> Settings:
    return Settings.from_env(COMPLETE | different)


def problems(**different: str) -> list[str]:
    """What is wrong with the complete settings so changed; nothing when they are accepted."""
    try:
        read(**different)
    except ConfigurationError as error:
        return list(error.problems)
    return []


# The sample


def test_the_sample_is_accepted() -> None:
    settings = Settings.from_env(SAMPLE["Values"])
    assert settings.local_token == "local-app-token"


def test_the_sample_holds_every_setting_and_no_other() -> None:
    assert set(SAMPLE["Values"]) == {*SETTING_NAMES, "FUNCTIONS_WORKER_RUNTIME"}
    assert len(SETTING_NAMES) == len(set(SETTING_NAMES))


def test_the_sample_says_what_the_defaults_are() -> None:
    kept = {name: value for name, value in SAMPLE["Values"].items() if name in COMPLETE or name in LOOPBACK}
    spoken = Settings.from_env(SAMPLE["Values"] | {"LOCAL_TOKEN": ""})
    assert Settings.from_env(kept) == spoken


# Complete, or everything at once


def test_what_differs_between_deployments_has_no_default() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_env({})
    named = [problem.split()[0] for problem in refusal.value.problems]
    assert sorted(named) == sorted(COMPLETE)


def test_every_problem_is_listed_at_once() -> None:
    wrong = {
        "TENANT_ID": "contoso",
        "GRAPH_URL": "ftp://graph.example",
        "DATAVERSE_URL": "http://contoso.crm4.dynamics.com",
        "PUBLIC_URL": "app.example",
        "CLIENT_STATE_SECRET": "short",
        "CLIENT_STATE_SECRET_PREVIOUS": "short",
        "DATAVERSE_WEBHOOK_SECRET": "short",
        "DATAVERSE_WEBHOOK_SECRET_PREVIOUS": "short",
        "AZURE_CLIENT_ID": "me",
        "MAILBOXES": f"{MAILBOX}, somebody@example.com",
        "BOOKING_SCOPE": "some",
        "ALLOW_MICROSOFT_SYNC": "maybe",
        "READ_ANSWERS": "maybe",
        "SETTLE_SECONDS": "16",
        "CLOCK_MARGIN_SECONDS": "-1",
        "CONFLICT_WINNER": "me",
        "ON_EVENT_DELETED": "cry",
        "CANCELLABLE_PHASES": "scheduled,lost",
        "CANCELLED_STATUS_ID": "3",
        "ON_BOOKING_CANCELLED": "cry",
        "KEEP_PAST_EVENTS": "1",
        "EVENT_SUBJECT": "{name}",
        "EVENT_LOCATION": "[here",
        "EVENT_BODY": "{",
        "EVENT_CATEGORIES": "]",
        "EVENT_SHOW_AS": "away",
        "EVENT_TIME_ZONE": "W. Europe Standard Time",
        "WINDOW_PAST_DAYS": "nan",
        "WINDOW_FUTURE_DAYS": "0",
        "BREAKER_NUMBER": "few",
        "BREAKER_SHARE_PERCENT": "101",
        "MAINTAIN_SCHEDULE": "hourly",
        "SWEEP_SCHEDULE": "* * * *",
        "AzureWebJobsStorage": "",
    }
    found = problems(**wrong)
    assert sorted(problem.split()[0] for problem in found) == sorted(wrong)
    assert set(wrong) == {*SETTING_NAMES} - {"LOCAL_TOKEN"}, "each setting but free text is checked"


def test_a_problem_names_the_mend() -> None:
    assert problems(CONFLICT_WINNER="me") == ["CONFLICT_WINNER is not one of dynamics, outlook, latest"]
    assert problems(SETTLE_SECONDS="16") == ["SETTLE_SECONDS is not between 0 and 15"]
    assert problems(ALLOW_MICROSOFT_SYNC="yes") == ["ALLOW_MICROSOFT_SYNC is neither true nor false"]
    assert problems(CLIENT_STATE_SECRET="short") == ["CLIENT_STATE_SECRET must have at least 32 characters"]
    assert problems(SWEEP_SCHEDULE="hourly") == [
        "SWEEP_SCHEDULE is not a schedule of five or six fields, such as 0 */15 * * * *"
    ]


def test_blanks_count_as_nothing() -> None:
    assert problems(TENANT_ID="  ") == ["TENANT_ID is missing"]
    assert read(SETTLE_SECONDS="  ", CONFLICT_WINNER=" ").settle_seconds == 3


# Values


def test_values_are_typed_and_normalised() -> None:
    settings = read(
        TENANT_ID=TENANT.upper(),
        GRAPH_URL="https://graph.microsoft.us/v1.0/",
        PUBLIC_URL="https://app.example/",
        CLIENT_STATE_SECRET_PREVIOUS=PREVIOUS,
        AZURE_CLIENT_ID=OTHER_MAILBOX,
        MAILBOXES=f" {MAILBOX.upper()}, {OTHER_MAILBOX},",
        SETTLE_SECONDS="0.5",
        CLOCK_MARGIN_SECONDS="2",
        CONFLICT_WINNER="Latest",
        ON_EVENT_DELETED="delete",
        CANCELLABLE_PHASES="scheduled, in-progress",
        CANCELLED_STATUS_ID=OTHER_MAILBOX,
        WINDOW_PAST_DAYS="1",
        WINDOW_FUTURE_DAYS="14",
        BREAKER_NUMBER="5",
        BREAKER_SHARE_PERCENT="25",
    )
    rules = settings.rules
    assert (settings.tenant_id, settings.graph_url) == (TENANT, "https://graph.microsoft.us/v1.0")
    assert settings.client_state_secrets == (SECRET, PREVIOUS)
    assert (settings.identity_client_id, settings.cancelled_status_id) == (OTHER_MAILBOX, OTHER_MAILBOX)
    assert (settings.settle_seconds, rules.timing.clock_margin) == (0.5, timedelta(seconds=2))
    assert rules.mailboxes == (MAILBOX, OTHER_MAILBOX)
    assert (rules.policy.conflict_winner, rules.policy.on_deletion) == (Winner.LATEST, OnDeletion.DELETE)
    assert rules.policy.cancellable == {BookingPhase.SCHEDULED, BookingPhase.IN_PROGRESS}
    assert (rules.window.past, rules.window.future) == (timedelta(days=1), timedelta(days=14))
    assert (rules.breaker.number, rules.breaker.share) == (5, 0.25)
    key = key_of(SECRET)
    assert rules.subscriptions.notification_url == f"https://app.example/api/graph/notifications?key={key}"
    assert rules.subscriptions.lifecycle_url == f"https://app.example/api/graph/lifecycle?key={key}"


def test_the_defaults_are_the_careful_ones() -> None:
    settings = read()
    assert settings.graph_url == "https://graph.microsoft.com/v1.0"
    assert settings.client_state_secrets == (SECRET,)
    assert (settings.identity_client_id, settings.local_token, settings.cancelled_status_id) == (None, None, None)
    assert settings.rules.policy.conflict_winner is Winner.DYNAMICS
    assert settings.rules.policy.on_deletion is OnDeletion.CANCEL
    assert settings.rules.policy.cancellable == {BookingPhase.SCHEDULED, BookingPhase.TRAVELING}
    assert settings.rules.mailboxes == ()


def test_the_defaults_of_the_way_to_outlook() -> None:
    rules = read().rules
    assert (rules.policy.scope, rules.policy.on_cancellation) == (Scope.ANY, OnCancellation.REMOVE)
    assert rules.policy.keeps_past_events is True
    assert rules.allows_microsoft_sync is False
    assert rules.templates == Templates(
        subject=Template.parse(DEFAULT_SUBJECT),
        location=Template.parse(DEFAULT_LOCATION),
        body=Template.parse(DEFAULT_BODY),
        categories=Template.parse(DEFAULT_CATEGORIES),
        show_as=ShowAs.BUSY,
        zone=UTC,
        record_url=COMPLETE["DATAVERSE_URL"],
    )


def test_the_way_to_outlook_is_set() -> None:
    rules = read(
        DATAVERSE_URL="https://contoso.crm4.dynamics.com/",
        BOOKING_SCOPE="Work-Orders",
        ON_BOOKING_CANCELLED="keep",
        KEEP_PAST_EVENTS="False",
        ALLOW_MICROSOFT_SYNC="TRUE",
        READ_ANSWERS="true",
        EVENT_SUBJECT="{account}",
        EVENT_LOCATION="{location} ",
        EVENT_BODY=r"{number}\n{link}",
        EVENT_CATEGORIES="{priority}; Visit",
        EVENT_SHOW_AS="workingelsewhere",
        EVENT_TIME_ZONE="Europe/Helsinki",
    ).rules
    assert (rules.policy.scope, rules.policy.on_cancellation) == (Scope.WORK_ORDERS, OnCancellation.KEEP)
    assert rules.policy.keeps_past_events is False
    assert rules.allows_microsoft_sync is True
    assert rules.reads_answers is True
    assert rules.templates == Templates(
        subject=Template.parse("{account}"),
        location=Template.parse("{location}"),
        body=Template.parse("{number}\n{link}"),
        categories=Template.parse("{priority}; Visit"),
        show_as=ShowAs.WORKING_ELSEWHERE,
        zone=ZoneInfo("Europe/Helsinki"),
        record_url="https://contoso.crm4.dynamics.com",
    )


@pytest.mark.parametrize("name", ["EVENT_SUBJECT", "EVENT_LOCATION", "EVENT_BODY", "EVENT_CATEGORIES"])
def test_no_text_is_said_in_a_word(name: str) -> None:
    """An empty setting means the default."""
    part = name.removeprefix("EVENT_").lower()
    assert getattr(read(**{name: "None"}).rules.templates, part) == Template.parse("")
    assert getattr(read(**{name: ""}).rules.templates, part) == getattr(read().rules.templates, part)


@pytest.mark.parametrize("show_as", ShowAs)
def test_a_free_busy_state_is_spelled_as_graph_spells_it(show_as: str) -> None:
    assert read(EVENT_SHOW_AS=show_as).rules.templates.show_as is show_as


def test_a_wrong_template_says_what_is_wrong_with_it() -> None:
    (problem,) = problems(EVENT_SUBJECT="{nubmer}")
    assert problem.startswith("EVENT_SUBJECT names the unknown field {nubmer}; there are: number, ")


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param("Middle-earth/Shire", id="none of this world"),
        pytest.param("W. Europe Standard Time", id="Windows' name"),
        pytest.param("+02:00", id="an offset"),
        pytest.param("Europe", id="a folder of the database"),
        pytest.param("tzdata.zi", id="a file of the database that is no zone"),
        pytest.param("../../../etc/passwd", id="a path out of the database"),
        pytest.param("/etc/localtime", id="a path of the machine"),
        pytest.param("Europe/\0", id="nul"),
    ],
)
def test_what_is_no_time_zone_is_a_problem_in_words(zone: str) -> None:
    assert problems(EVENT_TIME_ZONE=zone) == [
        "EVENT_TIME_ZONE is not the IANA name of a time zone, such as Europe/Helsinki"
    ]


def test_zero_is_a_value() -> None:
    settings = read(BREAKER_NUMBER="0", BREAKER_SHARE_PERCENT="0", WINDOW_PAST_DAYS="0", CLOCK_MARGIN_SECONDS="0")
    assert (settings.rules.breaker.number, settings.rules.breaker.share) == (0, 0)
    assert settings.rules.window.past == settings.rules.timing.clock_margin == timedelta(0)


def test_a_fraction_of_a_deletion_is_refused() -> None:
    assert problems(BREAKER_NUMBER="2.9") == ["BREAKER_NUMBER is not a whole number"]
    assert read(BREAKER_NUMBER="2.0").rules.breaker.number == 2


@pytest.mark.parametrize("name", ["MAILBOXES", "CANCELLABLE_PHASES"])
def test_a_list_that_names_nothing_is_refused(name: str) -> None:
    """It was meant to name something; taken for empty, it would let every mailbox in, or no deletion count."""
    assert problems(**{name: " , "}) == [f"{name} lists nothing"]


@pytest.mark.parametrize("text", ["none", "None"])
def test_that_no_deletion_counts_is_said_in_a_word(text: str) -> None:
    assert read(CANCELLABLE_PHASES=text).rules.policy.cancellable == frozenset()
    assert problems(CANCELLABLE_PHASES="none,scheduled")


def test_the_urls_name_the_secret_in_force_so_that_a_rotation_replaces_every_subscription() -> None:
    before, after = read().rules.subscriptions, read(CLIENT_STATE_SECRET=PREVIOUS).rules.subscriptions
    assert before.notification_url.partition("?")[0] == after.notification_url.partition("?")[0]
    assert before.notification_url != after.notification_url
    assert before.lifecycle_url != after.lifecycle_url
    assert PREVIOUS not in after.notification_url


# Storage


@pytest.mark.parametrize(
    ("storage", "queue_uri", "table_uri"),
    [
        pytest.param(
            {"AzureWebJobsStorage__accountName": "one"},
            "https://one.queue.core.windows.net",
            "https://one.table.core.windows.net",
            id="by the account's name",
        ),
        pytest.param(
            {
                "AzureWebJobsStorage__queueServiceUri": "https://q.example",
                "AzureWebJobsStorage__tableServiceUri": "https://t.example",
            },
            "https://q.example",
            "https://t.example",
            id="by both addresses",
        ),
        pytest.param(
            {
                "AzureWebJobsStorage__accountName": "one",
                "AzureWebJobsStorage__queueServiceUri": "https://q.example",
            },
            "https://q.example",
            "https://one.table.core.windows.net",
            id="by one address, and the name for the other",
        ),
    ],
)
def test_storage_is_used_with_an_identity(storage: dict[str, str], queue_uri: str, table_uri: str) -> None:
    address = read(AzureWebJobsStorage="", **storage).storage
    assert (address.connection_string, address.queue_uri, address.table_uri) == (None, queue_uri, table_uri)


def test_a_connection_string_comes_first() -> None:
    address = read(AzureWebJobsStorage__accountName="one").storage
    assert (address.connection_string, address.queue_uri, address.table_uri) == (CONNECTION_STRING, None, None)


@pytest.mark.parametrize("name", ["ab", "a" * 25, "my-account", "one.example/", "kontoä"])
def test_a_name_that_no_storage_account_can_have_is_refused(name: str) -> None:
    """It becomes a part of two addresses that tokens are sent to."""
    found = problems(AzureWebJobsStorage="", AzureWebJobsStorage__accountName=name)
    assert found[0] == "AzureWebJobsStorage__accountName is not the name of a storage account"


@pytest.mark.parametrize("part", ["queueServiceUri", "tableServiceUri"])
def test_an_address_of_storage_is_https_like_any_other(part: str) -> None:
    name = f"AzureWebJobsStorage__{part}"
    uris = {"AzureWebJobsStorage__queueServiceUri": "https://q.example"}
    uris |= {"AzureWebJobsStorage__tableServiceUri": "https://t.example", name: "http://one.example"}
    found = problems(AzureWebJobsStorage="", **uris)
    assert found[0] == f"{name} must be https (http is accepted on loopback addresses only)"


@pytest.mark.parametrize("only", ["queueServiceUri", "tableServiceUri"])
def test_one_address_alone_is_not_enough(only: str) -> None:
    (problem,) = problems(AzureWebJobsStorage="", **{f"AzureWebJobsStorage__{only}": "https://one.example"})
    assert "AzureWebJobsStorage__accountName" in problem


# Secrets and addresses


@pytest.mark.parametrize(
    "name",
    [
        "CLIENT_STATE_SECRET",
        "CLIENT_STATE_SECRET_PREVIOUS",
        "DATAVERSE_WEBHOOK_SECRET",
        "DATAVERSE_WEBHOOK_SECRET_PREVIOUS",
        "TENANT_ID",
        "MAILBOXES",
        "EVENT_SUBJECT",
    ],
)
def test_an_unresolved_key_vault_reference_is_not_taken_for_the_secret(name: str) -> None:
    assert problems(**{name: VAULT}) == [
        f"{name} is an unresolved Key Vault reference: check the app's access to the vault"
    ]


def test_an_unresolved_key_vault_reference_is_no_connection_string_and_one_problem() -> None:
    (problem,) = problems(AzureWebJobsStorage=VAULT)
    assert problem.startswith("AzureWebJobsStorage is an unresolved Key Vault reference")


def test_an_unresolved_key_vault_reference_is_no_account_name() -> None:
    found = problems(AzureWebJobsStorage="", AzureWebJobsStorage__accountName=VAULT)
    assert found[0].startswith("AzureWebJobsStorage__accountName is an unresolved Key Vault reference")


def test_no_secret_shows_when_the_settings_are_printed() -> None:
    secrets = {
        "CLIENT_STATE_SECRET_PREVIOUS": PREVIOUS,
        "DATAVERSE_WEBHOOK_SECRET_PREVIOUS": PREVIOUS_WEBHOOK_SECRET,
        "LOCAL_TOKEN": "the-local-token",
    }
    shown = repr(read(**secrets, **LOOPBACK))
    for secret in (SECRET, WEBHOOK_SECRET, *secrets.values(), "c2VjcmV0a2V5"):
        assert secret not in shown


def test_both_webhook_secrets_are_accepted_while_rotating() -> None:
    assert read().webhook_secrets == (WEBHOOK_SECRET,)
    rotating = read(DATAVERSE_WEBHOOK_SECRET_PREVIOUS=PREVIOUS_WEBHOOK_SECRET)
    assert rotating.webhook_secrets == (WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET)


@pytest.mark.parametrize("name", ["DATAVERSE_WEBHOOK_SECRET", "DATAVERSE_WEBHOOK_SECRET_PREVIOUS"])
@pytest.mark.parametrize("text", ["with blanks " * 3, "über" * 10, "line\nbreak" * 4, "nul\0" * 10])
def test_a_webhook_secret_is_one_that_a_header_can_carry(name: str, text: str) -> None:
    assert problems(**{name: text}) == [f"{name} must be of printable ASCII characters without blanks"]


@pytest.mark.parametrize("name", ["GRAPH_URL", "DATAVERSE_URL", "PUBLIC_URL"])
@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("https://service.example", True),
        ("http://localhost:7071", True),
        ("http://127.0.0.1:7071", True),
        ("http://[::1]:7071", True),
        ("http://service.example", False),
        ("http://localhost.evil.example", False),
        ("ws://localhost", False),
        ("https://", False),
        ("https://service.example?code=secret", False),
        ("https://service.example#part", False),
        ("https://[broken", False),
        ("service.example", False),
    ],
)
def test_addresses_are_https_except_on_this_machine(name: str, url: str, is_accepted: bool) -> None:
    found = problems(**{name: url})
    assert [problem.split()[0] for problem in found] == ([] if is_accepted else [name])


@pytest.mark.parametrize(
    "url",
    [
        "https://service.example:port",
        "https://service.example:99999",
        "https://service.example:-1",
        "https://service.example:0",
    ],
)
def test_a_port_that_is_none_is_refused(url: str) -> None:
    (problem,) = problems(PUBLIC_URL=url)
    assert problem.startswith("PUBLIC_URL ")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost", True),
        ("http://LOCALHOST:7080/v1.0", True),
        ("http://127.0.0.1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:7080", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://evil.example/127.0.0.1", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://localhost:x@evil.example", False),
        ("http://127.1", False),
        ("http://2130706433", False),
        ("http://0.0.0.0", False),
        ("http://[::]", False),
        ("http://localhost.", False),
        ("http://xn--localhost-9za", False),
        ("not an address", False),
        ("", False),
    ],
)
def test_this_machine_is_told_by_its_name_alone(url: str, expected: bool) -> None:
    """Without a name server, and rather too strictly: short forms of 127.0.0.1 are refused."""
    assert is_loopback(url) is expected


def test_the_local_token_is_accepted_for_services_on_this_machine() -> None:
    assert read(LOCAL_TOKEN="token", **LOOPBACK).local_token == "token"


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param({"DATAVERSE_URL": "http://localhost:7090"}, id="Graph itself, by default"),
        pytest.param({"GRAPH_URL": "http://127.0.0.1:7080"}, id="Dataverse itself"),
        pytest.param(LOOPBACK | {"GRAPH_URL": "https://localhost.evil.example"}, id="localhost.evil.example"),
        pytest.param(LOOPBACK | {"GRAPH_URL": "https://127.0.0.1.evil.example"}, id="127.0.0.1.evil.example"),
        pytest.param(LOOPBACK | {"DATAVERSE_URL": "https://localhost@evil.example"}, id="localhost@evil.example"),
        pytest.param(LOOPBACK | {"DATAVERSE_URL": "https://127.1"}, id="127.1"),
    ],
)
def test_the_local_token_is_never_sent_anywhere_else(elsewhere: dict[str, str]) -> None:
    assert problems(LOCAL_TOKEN="token", **elsewhere) == [
        "LOCAL_TOKEN is for loopback services only: remove it, or use simulators on this machine"
    ]
