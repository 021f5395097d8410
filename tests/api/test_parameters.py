"""A parameter that a route does not have is refused by its name, on every route."""

import pytest

from tests.api.test_reading import problem_of


def test_every_route_refuses_a_parameter_that_it_does_not_have(client):
    document = client.get("/openapi.json").json()
    asked = [
        (method, path.replace("{strategy_id}", "beta").replace("{", "").replace("}", ""))
        for path, ways in document["paths"].items()
        for method in ways
    ]
    assert len(asked) > 20
    for method, path in asked:
        refused = client.request(method, f"{path}?surprise=1", json={})
        assert "'surprise'" in problem_of(refused, 422), path
        assert refused.json()["errors"][0]["where"] == "query.surprise"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("max_point=5", "did you mean 'max_points'"),
        ("since=2024-01-01T00:00:00Z", "there is no parameter 'since'"),
        ("max_points=5&max_points=6", "stands 2 times"),
        ("x" * 300 + "=1", "xxx"),
    ],
)
def test_the_nearest_one_is_named(client, query, said):
    detail = problem_of(client.get(f"/portfolio/performance?{query}"), 422)
    assert said in detail
    assert len(detail) < 200
