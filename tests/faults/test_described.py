"""5,000 requests after the OpenAPI document of the API, to every surface in it: no 5xx, and no answer that it does not describe."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from faults.copied_pictures import copied_pictures
from faults.described import Requests, with_real_ids
from servers.api import Api, start_api
from servers.local import start_local_worker
from servers.panel import PASSWORD
from servers.redis_server import start_redis
from surfaces.action.calls import png
from surfaces.oauth.dance import REDIRECT, VERIFIER, ask, decide

from imgen import composition, settings
from imgen.domain.ids import stored_id
from imgen.domain.principal import ALL_SCOPES
from imgen.records import jobs, tenants
from imgen.surfaces import openai
from imgen.surfaces.action import examples as action
from imgen.surfaces.forge import examples as forge
from imgen.surfaces.oauth import description as oauth
from imgen.surfaces.operators import description as operators
from imgen.surfaces.provenance import description as provenance

REQUESTS = 5_000
UNDRAWN = {"POST /v1/images/edits", "POST /v1/images/variations"}
"""Operations whose forms need files of pictures, which are not made from the document: tests/surfaces/openai has their successes."""
SETTINGS = """
[accounts]
tenants_per_person = 1000000

[forge]
anonymous = true
sync_wait_s = 0.1

[http]
event_streams = 1000

[jobs]
max_queued = 1000000

[logs]
level = "ERROR"

[openai]
wait_s = 60
"""


@pytest.fixture
def api(tmp_path) -> Iterator[Api]:
    """An API process without workers of its own, so that jobs are taken and wait."""
    with (
        start_redis(tmp_path) as redis,
        start_api(tmp_path / "var", settings=f'[redis]\nurl = "{redis.url}"\n{SETTINGS}') as running,
    ):
        yield running


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_every_answer_is_described(api: Api):
    """Of any surface, to right and wrong requests with each credential; each operation succeeds at least once."""
    person = signed_in(api)
    ids = real_ids(api, person)
    document = with_real_ids(httpx2.get(f"{api.url}/openapi.json", verify=False).text, ids)
    every = api.imgen("keys", "create", "every", "--tenant", "first", *(f"--scope={one}" for one in ALL_SCOPES))
    secrets = {"key": every, "x_api_key": every, "session": person["imgen_session"], "csrf": person["csrftoken"]}
    secrets["oauth"] = asyncio.run(connected(api, person))[1]["access_token"]
    requests = Requests(
        api.url, document, secrets=secrets, cookies={"csrftoken": person["csrftoken"]}, file=png(64, 64)
    )
    with copied_pictures(settings.load(api.data), openai.SURFACE.name, ids[action.JOB_ID]) as check:
        requests.send(REQUESTS, check=check)
    seen = requests.seen
    assert seen.failures == {}, "\n\n".join(f"{name}\n{first}" for name, first in seen.failures.items())
    assert seen.requests >= REQUESTS
    assert set(seen.without_success()) <= UNDRAWN


def signed_in(api: Api) -> dict[str, str]:
    """Cookies of a person who owns the tenant of the first key."""
    api.imgen("users", "add", "olga")
    api.imgen("tenants", "add-member", "first", "olga", "--owner")
    api.imgen("users", "password", "olga", "--password", PASSWORD)
    with httpx2.Client(base_url=api.url, verify=False) as client:
        token = re.search(r'name="csrftoken" value="([^"]+)"', client.get("/sign-in").text)[1]
        client.post("/sign-in", data={"name": "olga", "password": PASSWORD, "csrftoken": token})
        changed = {"old": PASSWORD, "new": PASSWORD + "!", "again": PASSWORD + "!", "csrftoken": token}
        client.post("/panel/account", data=changed)
        return {name: client.cookies[name] for name in ("imgen_session", "csrftoken")}


def real_ids(api: Api, person: Mapping[str, str]) -> dict[str, str]:
    """Ids of the document's examples → ids of a drawn picture, an upload, tenants, and an application with its token."""
    key = {"X-API-Key": api.key}
    job = httpx2.post(f"{api.url}/v2/generate", json={"prompt": "a vase"}, headers=key, verify=False).json()["job_id"]
    with start_local_worker(settings.load(api.data)) as work:
        work(stored_id(job))
    drawn = httpx2.get(f"{api.url}/v2/jobs/{job}", headers=key, verify=False).json()
    assert drawn["state"] == "completed", drawn
    upload = httpx2.post(
        f"{api.url}/api/v2/upload", content=png(64, 64), headers={"Authorization": f"Bearer {api.key}"}, verify=False
    )
    api.imgen("tenants", "add", "second", "--plan", "unlimited")
    application, tokens = asyncio.run(connected(api, person))
    return {
        forge.TENANT_ID: tenant_id(api, "first"),
        operators.TENANT_ID: tenant_id(api, "second"),
        forge.JOB_ID: job,
        forge.SHA256: drawn["asset_url"].rpartition("/")[2],
        action.JOB_ID: stored_id(job),
        action.UPLOAD_ID: upload.json()["image"],
        oauth.CLIENT_ID: application,
        oauth.REFRESH_TOKEN: tokens["refresh_token"],
        provenance.MANIFEST_ID: manifest_id(api, stored_id(job)),
    }


async def connected(api: Api, person: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Id and tokens of a new application that a person allows."""
    async with httpx2.AsyncClient(base_url=api.url, cookies=dict(person), verify=False) as browser:
        metadata = {"redirect_uris": [REDIRECT], "client_name": "Kite", "token_endpoint_auth_method": "none"}
        client_id = (await browser.post("/register", json=metadata)).json()["client_id"]
        answer = await decide(browser, await ask(browser, client_id))
        (code,) = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
        form = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "code_verifier": VERIFIER}
        return client_id, (await browser.post("/token", data=form)).json()


def tenant_id(api: Api, name: str) -> str:
    """Id of a tenant."""
    with closing(composition.open_database(settings.load(api.data))) as database:
        return database.attempt(tenants.find_tenant, name).id


def manifest_id(api: Api, job_id: str) -> str:
    """Id of the manifest of a job's picture."""
    with closing(composition.open_database(settings.load(api.data))) as database:
        return database.attempt(jobs.find, job_id).outcome.meta.manifest_id
