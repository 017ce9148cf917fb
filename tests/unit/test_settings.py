"""The settings are complete and sane, or refused with every problem at once."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from sync.core.errors import ConfigurationError
from sync.core.model import BookingPhase
from sync.core.reconcile import OnDeletion, Winner
from sync.core.subscriptions import key_of
from sync.settings import SETTING_NAMES, Settings, is_loopback
from tests.unit.values import MAILBOX, OTHER_MAILBOX, TENANT

SAMPLE = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())
SECRET = "one-secret-of-more-than-32-characters"
PREVIOUS = "its-predecessor-of-more-than-32-characters"
CONNECTION_STRING = "DefaultEndpointsProtocol=https;AccountName=one;AccountKey=c2VjcmV0a2V5"
VAULT = "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/one)"

COMPLETE = {
    "AzureWebJobsStorage": CONNECTION_STRING,
    "TENANT_ID": TENANT,
    "DATAVERSE_URL": "https://contoso.crm4.dynamics.com",
    "PUBLIC_URL": "https://app.example",
    "CLIENT_STATE_SECRET": SECRET,
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
        "AZURE_CLIENT_ID": "me",
        "MAILBOXES": f"{MAILBOX}, somebody@example.com",
        "SETTLE_SECONDS": "16",
        "CLOCK_MARGIN_SECONDS": "-1",
        "CONFLICT_WINNER": "me",
        "ON_EVENT_DELETED": "cry",
        "CANCELLABLE_PHASES": "scheduled,lost",
        "CANCELLED_STATUS_ID": "3",
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


def test_a_problem_names_the_mend() -> None:
    assert problems(CONFLICT_WINNER="me") == ["CONFLICT_WINNER is not one of dynamics, outlook, latest"]
    assert problems(SETTLE_SECONDS="16") == ["SETTLE_SECONDS is not between 0 and 15"]
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


@pytest.mark.parametrize("name", ["CLIENT_STATE_SECRET", "CLIENT_STATE_SECRET_PREVIOUS", "TENANT_ID", "MAILBOXES"])
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
    shown = repr(read(CLIENT_STATE_SECRET_PREVIOUS=PREVIOUS, LOCAL_TOKEN="the-local-token", **LOOPBACK))
    for secret in (SECRET, PREVIOUS, "the-local-token", "c2VjcmV0a2V5"):
        assert secret not in shown


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
