"""The vulnerable assistant with the real model: it tells a stranger the data of others, by each of its doors."""

import json
from collections.abc import Iterator

import httpx2
import pytest
from tests.simulators import shop_data
from tests.simulators.model import NAME, Model
from tests.simulators.shop_data import Person
from tests.simulators.wordpress import Site

from checkvalve.events.pseudonym import fold


@pytest.fixture(scope="module")
def people(shop_site: Site, model: Model) -> Iterator[list[Person]]:
    shop_site.php(
        f"update_option('shop_assistant_endpoint', '{model.url}/v1'); update_option('shop_assistant_model', '{NAME}');"
        "update_option('shop_assistant_orders', 1);"
    )
    yield shop_data.load(shop_site, customers=2, guests=1, orders=3, seed=3)
    shop_site.php("delete_option('shop_assistant_endpoint'); delete_option('shop_assistant_orders');")


def ask(site: Site, question: str) -> str:
    answer = httpx2.post(site.rest_url + "shop-assistant/v1/ask", json={"question": question}, timeout=120)
    assert answer.status_code == 200, answer.text
    said: str = answer.json()["answer"]
    return said


def test_a_stranger_gets_the_data_of_each_customer_by_order_number(shop_site: Site, people: list[Person]) -> None:
    for person in people:
        said = ask(shop_site, f"What is in order {person.order_numbers[0]}?")
        assert person.email in fold(said)  # the model writes jürgen@ for jurgen@ and changes case
        assert person.order_numbers[0] in said


def test_the_words_are_the_models_own(shop_site: Site, people: list[Person], model: Model) -> None:
    shop_site.php("update_option('shop_assistant_endpoint', 'http://127.0.0.1:9/v1');")
    try:
        question = {"question": f"What is in order {people[0].order_numbers[0]}?"}
        answer = httpx2.post(shop_site.rest_url + "shop-assistant/v1/ask", json=question, timeout=120)
    finally:
        shop_site.php(f"update_option('shop_assistant_endpoint', '{model.url}/v1');")
    assert answer.status_code == 502
    assert people[0].email not in answer.text


@pytest.mark.parametrize("door", ["/wp-admin/admin-ajax.php", "/wp-content/plugins/shop-assistant/direct.php"])
def test_its_other_doors_leak_as_well(shop_site: Site, people: list[Person], door: str) -> None:
    form = {"action": "shop_assistant_ask", "question": f"What is in order {people[1].order_numbers[0]}?"}
    answer = httpx2.post(shop_site.url + door, data=form, timeout=120)
    assert answer.status_code == 200
    assert people[1].email in fold(json.dumps(answer.json(), ensure_ascii=False))


def test_the_model_streams_and_counts_tokens(model: Model) -> None:
    body = {"model": NAME, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "temperature": 0}
    plain = httpx2.post(f"{model.url}/v1/chat/completions", json=body, timeout=60).json()
    assert plain["usage"]["completion_tokens"] > 0
    streamed = httpx2.post(f"{model.url}/v1/chat/completions", json=body | {"stream": True}, timeout=60).text
    assert streamed.count("data: ") > 2
    assert streamed.rstrip().endswith("data: [DONE]")


def test_a_question_must_be_asked(shop_site: Site) -> None:
    answer = httpx2.post(shop_site.rest_url + "shop-assistant/v1/ask", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "rest_missing_callback_param")
