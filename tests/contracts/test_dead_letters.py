"""What every `DeadLetters` does."""

from dataclasses import replace

import pytest

from sync.service.store_ports import DeadLetters
from tests.contracts import stored_values as values


async def test_a_letter_comes_back_as_it_was_buried(dead_letters: DeadLetters) -> None:
    await dead_letters.bury(values.DEAD_LETTER)

    assert await dead_letters.find_letter("letter-1") == values.DEAD_LETTER
    assert [letter async for letter in dead_letters.list_letters()] == [values.DEAD_LETTER]


async def test_a_letter_holds_the_largest_message(dead_letters: DeadLetters) -> None:
    letter = replace(values.DEAD_LETTER, item="x" * 49_152)

    await dead_letters.bury(letter)

    assert await dead_letters.find_letter("letter-1") == letter


async def test_burying_the_same_id_again_replaces_the_letter(dead_letters: DeadLetters) -> None:
    await dead_letters.bury(values.DEAD_LETTER)
    await dead_letters.bury(replace(values.DEAD_LETTER, reason="another"))

    assert [letter.reason async for letter in dead_letters.list_letters()] == ["another"]


async def test_letters_are_listed_by_error_class(dead_letters: DeadLetters) -> None:
    for number, error_class in enumerate(["Refused", "AccessDenied", "Refused"]):
        await dead_letters.bury(replace(values.DEAD_LETTER, letter_id=f"{number}", error_class=error_class))

    assert sorted([letter.letter_id async for letter in dead_letters.list_letters(error_class="Refused")]) == ["0", "2"]
    assert sorted([letter.letter_id async for letter in dead_letters.list_letters()]) == ["0", "1", "2"]
    assert [letter async for letter in dead_letters.list_letters(error_class="NotFound")] == []


async def test_nothing_is_found_where_nothing_was_buried(dead_letters: DeadLetters) -> None:
    assert await dead_letters.find_letter("absent") is None
    assert [letter async for letter in dead_letters.list_letters()] == []


async def test_a_letter_can_be_removed_more_than_once(dead_letters: DeadLetters) -> None:
    await dead_letters.remove("letter-1")
    await dead_letters.bury(values.DEAD_LETTER)
    for _ in range(2):
        await dead_letters.remove("letter-1")

    assert await dead_letters.find_letter("letter-1") is None


async def test_letters_may_be_removed_while_they_are_listed(dead_letters: DeadLetters) -> None:
    for number in range(3):
        await dead_letters.bury(replace(values.DEAD_LETTER, letter_id=f"{number}"))

    removed = 0
    async for letter in dead_letters.list_letters():
        await dead_letters.remove(letter.letter_id)
        removed += 1

    assert removed == 3
    assert [letter async for letter in dead_letters.list_letters()] == []


@pytest.mark.parametrize("letter_id", ["a/b", "A-1", "a-1"])
async def test_any_text_may_be_a_letter_id(dead_letters: DeadLetters, letter_id: str) -> None:
    await dead_letters.bury(replace(values.DEAD_LETTER, letter_id=letter_id))

    found = await dead_letters.find_letter(letter_id)

    assert found
    assert found.letter_id == letter_id
    assert await dead_letters.find_letter(letter_id.swapcase()) is None
