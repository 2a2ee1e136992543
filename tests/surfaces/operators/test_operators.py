"""Operators' API over HTTP: plans and packs by keys with the scope `operate`, each change in the audit."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx2
import pytest
from servers.local import start_local_api

from imgen.records import audit
from imgen.records.database import Database


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis_url):
    """An API in the test's process."""
    with start_local_api(tmp_path_factory.mktemp("operators") / "var", redis_url) as running:
        yield running


@pytest.fixture(scope="module")
def key(api):
    """An operator's key."""
    return api.imgen("keys", "create", "payments", "--tenant", "operators", "--plan", "unlimited", "--scope", "operate")


@pytest.fixture(scope="module")
def client(api, key):
    """A client with that key."""
    with httpx2.Client(
        base_url=f"{api.url}/api/operators/", headers={"Authorization": f"Bearer {key.strip()}"}, timeout=30
    ) as client:
        yield client


@pytest.fixture
def tenant(api, request):
    """Id of a tenant of its own for each test, on the plan free."""
    name = request.node.originalname
    api.imgen("keys", "create", name, "--tenant", name, "--plan", "free")
    return name


def audited(api, reference):
    """Rows of the audit that name a payment or a tenant."""
    database = Database(f"sqlite:///{api.settings.data_dir / 'imgen.db'}")
    with database.read() as connection:
        found = audit.search(connection, reference, limit=50).entries
    database.close()
    return found


def test_a_pack_is_granted_once_for_a_payment(api, client, tenant):
    """201 and then 200 with the same pack; its credits can be used at once; the audit names the key once."""
    sent = {"pack": "pack_500", "reference": "pi_once"}
    first, again = (client.post(f"tenants/{tenant}/packs", json=sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert {"pack": "pack_500", "label": "Starter", "credits": 500, "left": 500, "reference": "pi_once"}.items() <= (
        first.json().items()
    )
    shown = client.get(f"tenants/{first.json()['tenant_id']}").json()
    assert (shown["name"], shown["plan"], shown["packs_left"]) == (tenant, "free", 500)
    (row,) = audited(api, "pi_once")
    assert (row.action, row.actor, row.tenant_id) == ("granted pack", "API key: payments", first.json()["tenant_id"])
    assert row.detail["address"]


def test_a_payment_that_comes_many_times_at_once_counts_once(client, tenant):
    """Whatever the order: one answer is 201."""
    sent = {"pack": "pack_2500", "reference": "pi_many"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(f"tenants/{tenant}/packs", json=sent), range(16)))
    assert sorted(one.status_code for one in answers) == [200] * 15 + [201]
    assert client.get(f"tenants/{tenant}").json()["packs_left"] == 2500


def test_a_payment_of_another_tenant_or_pack_is_refused(client, api, tenant):
    """The text says so, and nothing is added."""
    api.imgen("keys", "create", "x", "--tenant", "another", "--plan", "free")
    assert client.post("tenants/another/packs", json={"pack": "pack_500", "reference": "pi_theirs"}).status_code == 201
    for name, pack in ((tenant, "pack_500"), ("another", "pack_2500")):
        answer = client.post(f"tenants/{name}/packs", json={"pack": pack, "reference": "pi_theirs"})
        assert answer.status_code == 400
        assert "was for another pack or another tenant" in answer.json()["error"]
    assert client.get(f"tenants/{tenant}").json()["packs_left"] == 0


def test_a_plan_is_changed_from_the_next_request_on(api, client, tenant):
    """The tenant's own keys have the new limits at once; the same plan again adds no row to the audit."""
    own = api.imgen("keys", "create", "own", "--tenant", tenant).strip()
    assert api.post({"action": "usage"}, key=own).json()["plan"] == "free"
    for _ in range(2):
        answer = client.post(f"tenants/{tenant}/plan", json={"plan": "pro"})
        assert (answer.status_code, answer.json()["plan"]) == (200, "pro")
    assert api.post({"action": "usage"}, key=own).json()["plan"] == "pro"
    changes = [row for row in audited(api, tenant) if row.action == "changed plan"]
    assert [(row.actor, row.detail["after"]) for row in changes] == [("API key: payments", {"plan": "pro"})]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("plan", b'{"plan": "golden"}', "There is no plan 'golden'"),
        ("plan", b"{}", "Object missing required field `plan`"),
        ("plan", b'{"plan": 5}', "Expected `str`, got `int` - at `$.plan`"),
        ("plan", b"plan=pro", "Invalid JSON"),
        ("plan", b'{"plan": "\\ud800"}', "Invalid JSON"),
        ("packs", b'{"pack": "pack_7", "reference": "a"}', "There is no pack 'pack_7'"),
        ("packs", b'{"pack": "pack_500", "reference": " "}', "A payment's reference has 1 to 200 printable characters"),
        (
            "packs",
            b'{"pack": "pack_500", "reference": "a\\u0000b"}',
            "A payment's reference has 1 to 200 printable characters",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(client, path, body, error):
    """Nothing is changed."""
    answer = client.post(f"tenants/first/{path}", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert client.get("tenants/first").json()["plan"] == "unlimited"


def test_other_keys_and_strangers_may_not(api, client):
    """401 without a key, 403 for a key with all scopes of a tenant, before anything is told of tenants; and both change nothing."""
    for path, sent in (("tenants/first/plan", {"plan": "free"}), ("tenants/nobody/plan", {"plan": "free"})):
        url = f"{api.url}/api/operators/{path}"
        assert httpx2.post(url, json=sent).status_code == 401
        answer = httpx2.post(url, json=sent, headers={"Authorization": f"Bearer {api.key}"})
        assert (answer.status_code, answer.json()["error"]) == (403, "API key may not do this.")
    assert client.get("tenants/first").json()["plan"] == "unlimited"


def test_an_unknown_tenant_is_not_found(client):
    """Whatever its name looks like; a name with a space is found by its encoding."""
    for name in ("nobody", "ten_0123456789abcdef", "a%00b", quote("not here")):
        assert client.get(f"tenants/{name}").status_code == 404, name
    assert client.get("nothing").json() == {"error": "Not found"}
    assert client.delete("tenants/first").json() == {"error": "Method not allowed"}


def test_an_operators_key_draws_nothing(api, key):
    """It has its scope alone: for pictures there are tenants' keys."""
    answer = api.post({"action": "generate", "prompt": "a red coat"}, key=key.strip())
    assert (answer.status_code, answer.json()["error"]) == (403, "API key may not do this.")
