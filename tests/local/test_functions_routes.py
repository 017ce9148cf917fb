"""Route templates serve the paths that they serve in the cloud."""

import pytest

from local.functions.errors import InvalidRoute
from local.functions.routes import parse_route

GUID = "6f6e7d1c-0000-4c5e-9a00-5a3b1d2c4e01"


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/echo", "/api/echo", {}),
        ("api/echo", "/API/Echo/", {}),
        ("api/echo", "/api/echo/more", None),
        ("api/echo", "/api", None),
        ("api/orders/{id}", "/api/orders/A-7", {"id": "A-7"}),
        ("api/orders/{id}", "/api/orders", None),
        ("api/orders/{id:int}", "/api/orders/7", {"id": "7"}),
        ("api/orders/{id:int}", "/api/orders/seven", None),
        ("api/orders/{id:guid}", f"/api/orders/{GUID}", {"id": GUID}),
        ("api/orders/{id:guid}", "/api/orders/7", None),
        ("api/orders/{id?}", "/api/orders", {}),
        ("api/orders/{id?}", "/api/orders/7", {"id": "7"}),
        ("api/orders/{id:int?}", "/api/orders/x", None),
        ("api/files/{*path}", "/api/files/a/b%20c", {"path": "a/b c"}),
        ("api/names/{name}", "/api/names/a%2Fb", {"name": "a/b"}),
        ("", "/", {}),
    ],
)
def test_a_path_matches_with_its_parameters(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert parse_route(template).match(path) == parameters


def test_the_more_literal_template_comes_first() -> None:
    templates = ["a/{*rest}", "a/{x}", "a/{x:int}", "a/b"]

    assert sorted(templates, key=lambda template: parse_route(template).rank) == templates[::-1]


@pytest.mark.parametrize("template", ["a/{id:regex(x)}", "a/{id", "a/pre-{id}", "a/{id?}/b", "a/{*all}/b", "a/{id=1}"])
def test_a_form_that_is_not_understood_is_refused(template: str) -> None:
    with pytest.raises(InvalidRoute, match="a/"):
        parse_route(template)
