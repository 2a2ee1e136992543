"""Sessions of people as callers of Forge: CSRF token, tenant, first password, end."""

from surfaces.forge.site import failure, generate

from imgen.records import users

UNKNOWN_JOB = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
UNAUTHORIZED, FORBIDDEN = (401, "UNAUTHORIZED"), (403, "FORBIDDEN")


def test_a_session_acts_with_its_csrf_token(site):
    """Reads need none; a change without it, with another's or with a forged one is a 403 and makes nothing."""

    async def steps(site):
        async with site.person() as (user, client), site.person() as (_, other):
            site.tenant("unlimited", user)
            own = client.headers.pop("x-csrftoken")
            assert (await client.get("/v2/jobs")).json()["jobs"] == []
            for sent in (
                {},
                {"x-csrftoken": ""},
                {"x-csrftoken": other.cookies["csrftoken"]},
                {"x-csrftoken": own + "x"},
            ):
                answer = await client.post("/v2/generate", json={"prompt": "a vase"}, headers=sent)
                assert failure(answer) == FORBIDDEN, sent
            session = client.cookies["imgen_session"]
            for forged in ("forged", '"forged"', "ImZvcmdlZCI.c2lnbmF0dXJl", ""):
                head = {"Cookie": f"imgen_session={session}; csrftoken={forged}", "x-csrftoken": forged}
                async with site.client() as plain:
                    answer = await plain.post("/v2/generate", json={"prompt": "a vase"}, headers=head)
                    assert failure(answer) == FORBIDDEN, forged
            assert (await client.get("/v2/jobs")).json()["jobs"] == []
            client.headers["x-csrftoken"] = own
            made = await generate(client)
            assert (await client.get("/v2/jobs")).json()["jobs"] == [made]
            assert (await client.delete(f"/v2/jobs/{made['job_id']}")).json()["error"] == "Cancelled"

    site(steps)


def test_a_session_acts_for_one_tenant(site):
    """For the oldest, or the one that the header names; a foreign and an unknown one are the same 403."""

    async def steps(site):
        async with site.person() as (user, client):
            assert failure(await client.get("/v2/jobs")) == FORBIDDEN  # without any tenant
            first, second, foreign = site.tenant("unlimited", user), site.tenant("unlimited", user), site.tenant()
            made = await generate(client)
            listed = {
                one.id: (await client.get("/v2/jobs", headers={"X-Imgen-Tenant": one.id})).json()["jobs"]
                for one in (first, second)
            }
            assert listed == {first.id: [made], second.id: []}
            refused = [
                await client.get("/v2/jobs", headers={"X-Imgen-Tenant": named}) for named in (foreign.id, "ten_unknown")
            ]
            assert [failure(one) for one in refused] == [FORBIDDEN, FORBIDDEN]
            assert refused[0].json() == refused[1].json()

    site(steps)


def test_a_first_password_has_to_be_changed(site):
    """Until then the session is a 401 on every route, even where nobody would be served."""

    async def steps(site):
        async with site.person(is_new=True) as (user, client):
            tenant = site.tenant("unlimited", user)
            for method, path in (
                ("POST", "/v2/generate"),
                ("GET", "/v2/jobs"),
                ("GET", "/v2/models"),
                ("GET", "/v2/tenants"),
                ("POST", "/v2/tenants"),
                ("POST", f"/v2/tenants/{tenant.id}/rotate"),
                ("GET", f"/v2/tenants/{tenant.id}/usage"),
            ):
                answer = await client.request(method, path, json={"prompt": "a vase"} if method == "POST" else None)
                assert failure(answer) == UNAUTHORIZED, path

    site(steps)


def test_a_session_that_has_ended_is_no_anonymous_caller(site):
    """Signed out elsewhere, expired or forged: 401 on every route, although nobody would be served; a mere visitor is nobody."""

    async def steps(site):
        async with site.person() as (user, client):
            site.tenant("unlimited", user)
            ended = client.cookies["imgen_session"]
            assert (await client.get("/v2/models")).status_code == 200
            site.core.database.attempt(users.close_sessions, user.id, but="")
            for cookie in (ended, ended[:-2], "forged"):
                head = {"Cookie": f"imgen_session={cookie}"}
                async with site.client(**head) as late:
                    for method, path in (
                        ("POST", "/v2/generate"),
                        ("GET", "/v2/jobs"),
                        ("GET", "/v2/models"),
                        ("GET", "/v2/tenants"),
                        ("GET", f"/v2/jobs/{UNKNOWN_JOB}"),
                    ):
                        body = {"prompt": "a vase"} if method == "POST" else None
                        assert failure(await late.request(method, path, json=body)) == UNAUTHORIZED, (cookie, path)
                    assert (await late.get("/v2/health")).status_code == 200
        async with site.client() as visitor:
            await visitor.get("/panel")  # whose cookie keeps the page to go to after the sign-in
            assert visitor.cookies["imgen_session"]
            assert (await visitor.get("/v2/models")).status_code == 200

    site(steps)
