import pytest

from checkvalve.actuators.http import route_url


@pytest.mark.parametrize(
    ("rest_url", "route", "url"),
    [
        ("https://shop.example/wp-json/", "/a/v1/b", "https://shop.example/wp-json/a/v1/b"),
        ("https://shop.example/wp-json", "a/v1/b?order=7", "https://shop.example/wp-json/a/v1/b?order=7"),
        ("https://shop.example/?rest_route=/", "a/v1/b", "https://shop.example/?rest_route=/a/v1/b"),
        ("https://shop.example/?rest_route=/", "/a/v1/b?order=7", "https://shop.example/?rest_route=/a/v1/b&order=7"),
        ("https://shop.example/de/index.php?rest_route=/", "a", "https://shop.example/de/index.php?rest_route=/a"),
    ],
)
def test_a_route_is_found_under_either_form_of_address(rest_url: str, route: str, url: str) -> None:
    assert route_url(rest_url, route) == url
