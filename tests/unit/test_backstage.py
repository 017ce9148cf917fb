"""Facts reach their listener on another thread, and neither a slow nor a broken one is felt by the work."""

import threading
from collections.abc import Callable, Iterator

import pytest

from sync import telemetry
from sync.adapters.backstage import Backstage, Recorder
from sync.telemetry import Buried, Fact

PATIENCE_SECONDS = 10


def fact(number: int) -> Buried:
    return Buried(queue=str(number), error_class="Refused")


class Notebook:
    """Writes down what it is told, and on which thread."""

    def __init__(self, spoils: Callable[[Fact], bool] = lambda _: False) -> None:
        self.told: list[Fact] = []
        self.threads: set[str] = set()
        self.is_closed = False
        self._spoils = spoils

    def __call__(self, fact: Fact) -> None:
        if self._spoils(fact):
            raise OSError("disk full")
        self.told.append(fact)
        self.threads.add(threading.current_thread().name)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def nobody_listens_afterwards() -> Iterator[None]:
    yield
    telemetry.listen(None)


def test_facts_arrive_in_order_on_a_thread_of_their_own_and_ending_waits_for_the_last() -> None:
    notebook = Notebook()
    backstage = Backstage(lambda: notebook)
    for number in range(100):
        backstage(fact(number))
    backstage.close()
    assert notebook.told == [fact(number) for number in range(100)]
    assert notebook.threads == {"telemetry"}
    assert notebook.is_closed


def test_nothing_is_built_before_there_is_something_to_tell() -> None:
    built: list[str] = []

    def build() -> Recorder:
        built.append(threading.current_thread().name)
        return Notebook()

    backstage = Backstage(build)
    backstage.close()
    assert built == []
    backstage(fact(1))
    backstage.close()
    assert built == ["telemetry"]


def test_what_cannot_be_built_is_said_once_and_nobody_listens_any_more(caplog: pytest.LogCaptureFixture) -> None:
    is_tried = threading.Event()

    def build() -> Recorder:
        is_tried.set()
        raise ValueError("Invalid connection string")

    backstage = Backstage(build)
    telemetry.listen(backstage)
    telemetry.tell(fact(1))
    assert is_tried.wait(PATIENCE_SECONDS)
    backstage.close()
    telemetry.tell(fact(2))
    assert [record.message for record in caplog.records] == [
        "Telemetry is off: ValueError('Invalid connection string')"
    ]


def test_a_fact_that_breaks_the_recorder_spoils_no_other_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    notebook = Notebook(spoils=lambda told: told in (fact(1), fact(2)))
    backstage = Backstage(lambda: notebook)
    for number in range(4):
        backstage(fact(number))
    backstage.close()
    assert notebook.told == [fact(0), fact(3)]
    assert [record.message for record in caplog.records] == ["Telemetry was lost: OSError('disk full')"]


def test_a_recorder_that_hangs_costs_facts_and_no_time(caplog: pytest.LogCaptureFixture) -> None:
    is_free = threading.Event()
    notebook = Notebook()

    def build() -> Recorder:
        assert is_free.wait(PATIENCE_SECONDS)
        return notebook

    backstage = Backstage(build, most_waiting=3)
    for number in range(10):
        backstage(fact(number))
    assert [record.message for record in caplog.records] == ["Telemetry is slower than the work: facts are lost."]
    is_free.set()
    backstage.close()
    assert notebook.told == [fact(0), fact(1), fact(2)]
