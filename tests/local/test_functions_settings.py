"""Settings are read as the vendor's host reads them, and everything wrong is told at once."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.functions.errors import SettingsError
from local.functions.settings import (
    HostSettings,
    app_environment,
    connection_string,
    is_disabled,
    read_host_settings,
    substitute,
)

DEVELOPMENT = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


def read(directory: Path, host_json: dict[str, Any], environ: dict[str, str] | None = None) -> HostSettings:
    (directory / "host.json").write_text(json.dumps({"version": "2.0", **host_json}))
    return read_host_settings(directory, environ or {})


def test_defaults_are_the_vendors(tmp_path: Path) -> None:
    settings = read(tmp_path, {})

    queues = settings.queues
    assert (queues.batch_size, queues.max_dequeue_count, queues.message_encoding) == (16, 5, "base64")
    assert queues.new_batch_threshold == 8 * (os.cpu_count() or 1)
    assert (queues.visibility_timeout, queues.max_polling_interval) == (timedelta(0), timedelta(minutes=1))
    assert settings.function_timeout == timedelta(minutes=30)
    assert (settings.http.route_prefix, settings.http.max_body_bytes) == ("api", 104_857_600)
    assert settings.http.max_outstanding_requests is None


def test_in_development_polling_slows_to_two_seconds_only_unless_set(tmp_path: Path) -> None:
    unset = read(tmp_path, {}, DEVELOPMENT)
    by_file = read(tmp_path, {"extensions": {"queues": {"maxPollingInterval": "00:00:05"}}}, DEVELOPMENT)

    assert unset.queues.max_polling_interval == timedelta(seconds=2)
    assert by_file.queues.max_polling_interval == timedelta(seconds=5)


def test_host_json_is_read_and_the_environment_overrides_it(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        {
            "functionTimeout": "00:01:30",
            "extensions": {
                "http": {"routePrefix": "", "maxOutstandingRequests": 20, "maxConcurrentRequests": 10},
                "queues": {
                    "batchSize": 8,
                    "newBatchThreshold": 0,
                    "visibilityTimeout": "00:00:30",
                    "maxDequeueCount": 2,
                },
            },
        },
        {
            "AzureFunctionsJobHost__extensions__queues__batchSize": "4",
            "AzureFunctionsJobHost__Extensions__Queues__MessageEncoding": "none",
            "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000",
        },
    )

    assert settings.queues.batch_size == 4
    assert settings.queues.new_batch_threshold == 0
    assert settings.queues.visibility_timeout == timedelta(seconds=30)
    assert settings.queues.message_encoding == "none"
    assert settings.function_timeout == timedelta(seconds=90)
    assert (settings.http.route_prefix, settings.http.max_body_bytes) == ("", 1000)
    assert (settings.http.max_outstanding_requests, settings.http.max_concurrent_requests) == (20, 10)


def test_a_function_may_be_allowed_to_run_for_ever(tmp_path: Path) -> None:
    assert read(tmp_path, {"functionTimeout": "-1"}).function_timeout is None


def test_every_wrong_value_is_named(tmp_path: Path) -> None:
    wrong = {
        "batchSize": 33,
        "maxDequeueCount": 0,
        "visibilityTimeout": "30 s",
        "maxPollingInterval": "00:00:00.010",
        "messageEncoding": "utf-8",
    }

    with pytest.raises(SettingsError) as refusal:
        read(tmp_path, {"extensions": {"queues": wrong}})

    for name, value in wrong.items():
        assert name in str(refusal.value)
        assert str(value) in str(refusal.value)


@pytest.mark.parametrize(("content", "reason"), [("{", "not valid JSON"), ("[]", "must hold a JSON object")])
def test_an_unreadable_host_json_is_named(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "host.json").write_text(content)

    with pytest.raises(SettingsError, match=reason):
        read_host_settings(tmp_path, {})


def test_a_folder_without_host_json_is_no_app(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="marks the folder of a function app"):
        read_host_settings(tmp_path, {})


def test_local_settings_are_overruled_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"A": "file", "B": "file"}}))

    environ = app_environment(tmp_path, {"B": "environment", "AZURE_FUNCTIONS_ENVIRONMENT": "Production"})

    assert environ == {"A": "file", "B": "environment", "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"Values": {"COUNT": 3}}, "COUNT"), ({"IsEncrypted": True, "Values": {}}, "func settings decrypt")],
)
def test_local_settings_that_cannot_be_used_are_refused(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps(content))

    with pytest.raises(SettingsError, match=reason):
        app_environment(tmp_path, {})


def test_names_between_percent_signs_are_app_settings() -> None:
    assert substitute("%A%-%B%", {"A": "x", "B": "y"}) == "x-y"
    with pytest.raises(SettingsError, match="%MISSING% names an app setting that does not exist"):
        substitute("%MISSING%", {})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"AzureWebJobs.sweep.Disabled": "true"}, True),
        ({"AzureWebJobs_sweep_Disabled": "1"}, True),
        ({"AzureWebJobs.sweep.Disabled": "false"}, False),
        ({"AzureWebJobs.other.Disabled": "true"}, False),
    ],
)
def test_a_function_is_disabled_by_name(environ: dict[str, str], *, expected: bool) -> None:
    assert is_disabled("sweep", environ) is expected


def test_a_connection_is_found_with_and_without_the_vendors_prefix() -> None:
    assert connection_string("AzureWebJobsStorage", {"AzureWebJobsStorage": "a"}) == "a"
    assert connection_string("Storage", {"AzureWebJobsStorage": "a"}) == "a"
    assert connection_string("", {"AzureWebJobsStorage": "a"}) == "a"


def test_an_identity_based_connection_is_refused_with_the_mend() -> None:
    with pytest.raises(SettingsError, match=r"identity-based connection.*UseDevelopmentStorage=true"):
        connection_string("AzureWebJobsStorage", {"AzureWebJobsStorage__accountName": "a"})
    with pytest.raises(SettingsError, match="AzureWebJobsStorage is missing"):
        connection_string("AzureWebJobsStorage", {})
