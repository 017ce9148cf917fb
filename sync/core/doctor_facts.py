"""What a checkup sees of a deployment. `sync.service.checkup` gathers it, and `sync.core.doctor` judges it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sync.core.mailboxes import Quarantine, SubscriptionRecord
from sync.core.registration import PlanEntry


class Service(StrEnum):
    """The two services that the app stands between."""

    GRAPH = "Graph"
    DATAVERSE = "Dataverse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a token stands for. `is_app` is None where the token does not tell; `roles` are application permissions."""

    name: str
    is_app: bool | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What is in the storage account, and how many messages wait in each queue."""

    queues: Collection[str]
    tables: Collection[str]
    messages: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorAnswer:
    """What one of our own addresses answered."""

    status: int
    text: str = ""
    content_type: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What Dataverse has of what the app needs. `lacking` are rights, None where Dataverse does not tell."""

    missing_tables: Sequence[str]
    app_user_id: str | None
    lacking: Sequence[str] | None
    plan: Sequence[PlanEntry]
    conflicts: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailboxes:
    """The mailboxes to keep in sync, and what is remembered of them."""

    wanted: Collection[str]
    records: Mapping[str, SubscriptionRecord]
    quarantines: Mapping[str, Quarantine]
