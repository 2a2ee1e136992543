"""Several API processes over one database: what one ends, the others refuse at once; two that refresh at once go on."""

import asyncio

from surfaces.oauth.dance import allowed_code, ask, second_process

from imgen.domain.oauth.grants import ACCESS_TOKEN_S
from imgen.domain.user import User
from imgen.records import users
from imgen.services.accounts import members, people
from imgen.services.oauth import connections
from imgen.services.tenants import closing

ADMIN = User(id="usr_admin", name="admin", role="admin", must_change_password=False)


async def of_person(site, name):
    """The person of that name."""
    return await site.core.database.reading(users.find_user, name)


def test_what_one_process_ends_every_process_refuses(oauth):
    """Revoked by the application or the person, after a code came again: the other process has the token in its memory."""

    async def steps(site):
        async with second_process(site) as other:

            async def by_application(client_id, tokens, _code, _user):
                await site.revoke(client_id, tokens["access_token"])

            async def by_person(_client_id, _tokens, _code, user):
                (connected,) = await connections.of_user(site.core, user)
                await connections.revoke(site.core, user, connected.id)

            async def by_reuse(client_id, _tokens, code, _user):
                await site.exchange(client_id, code, status=400)

            for end in (by_application, by_person, by_reuse):
                async with site.person() as (user, browser):
                    client_id = (await site.register())["client_id"]
                    code = await allowed_code(browser, client_id)
                    tokens = await other.exchange(client_id, code)
                    for process in (site, other, other):
                        assert await process.forge_status(tokens["access_token"]) == 200
                    await end(client_id, tokens, code, await of_person(site, user.name))
                    for process in (other, site):
                        assert await process.forge_status(tokens["access_token"]) == 401, end

    oauth(steps)


def test_an_expired_token_is_refused_by_every_process(oauth):
    """Also by those that have it in their memory."""

    async def steps(site):
        async with second_process(site) as other, site.connected() as (_, tokens, _browser):
            now = site.core.clock()
            for process in (site, other):
                assert await process.forge_status(tokens["access_token"]) == 200
                process.core.clock = lambda: now + ACCESS_TOKEN_S + 5
            for process in (site, other):
                assert await process.forge_status(tokens["access_token"]) == 401

    oauth(steps)


def test_who_comes_back_to_a_tenant_has_no_applications_there(oauth):
    """Leaving ended them, whoever ended the membership; the person is asked again."""

    async def steps(site):
        async with site.person() as (user, browser), site.person() as (owner, _):
            tenant = site.tenant("unlimited", owner, user)

            async def leave():
                await members.remove(site.core, ADMIN, tenant.id, user.id)

            async def lose():
                await site.core.database.writing(users.set_memberships, user.id, [])

            for end in (leave, lose):
                client_id = (await site.register())["client_id"]
                tokens = await site.exchange(client_id, await allowed_code(browser, client_id))
                await end()
                site.join(user, tenant)
                await site.refresh(client_id, tokens["refresh_token"], status=400)
                assert (await ask(browser, client_id)).status_code == 200

    oauth(steps)


def test_tokens_end_with_membership_person_and_tenant(oauth):
    """At once in every process; a refresh token as well. A first password that was given anew stops them until it is changed."""

    async def steps(site):
        async with second_process(site) as other:

            async def leave(user, tenant):
                await members.remove(site.core, ADMIN, tenant.id, user.id)

            async def remove(user, _tenant):
                await people.remove(site.core, ADMIN, user.name)

            async def close(_user, tenant):
                await closing.delete_tenant(site.core, ADMIN, tenant.id, typed=tenant.name)

            async def reset(user, _tenant):
                await people.new_first_password(site.core, ADMIN, user.name)

            for end in (leave, remove, close, reset):
                async with site.person() as (user, browser):
                    async with site.person() as (owner, _):
                        tenant = site.tenant("unlimited", owner, user)
                    client_id = (await site.register())["client_id"]
                    tokens = await site.exchange(client_id, await allowed_code(browser, client_id))
                    assert await other.forge_status(tokens["access_token"]) == 200
                    await end(user, tenant)
                    for process in (other, site):
                        assert await process.forge_status(tokens["access_token"]) == 401, end
                        await process.refresh(client_id, tokens["refresh_token"], status=400)

    oauth(steps)


def test_two_processes_that_refresh_at_once_go_on(oauth):
    """One gets a new refresh token, the other an access token alone, and both tokens work in both processes."""

    async def steps(site):
        async with second_process(site) as other, site.connected() as (client_id, tokens, _):
            for _ in range(3):
                answers = await asyncio.gather(
                    *(process.refresh(client_id, tokens["refresh_token"]) for process in (site, other, site, other))
                )
                renewed = [one for one in answers if "refresh_token" in one]
                assert len(renewed) == 1
                for process in (site, other):
                    assert {await process.forge_status(one["access_token"]) for one in answers} == {200}
                tokens = renewed[0]

    oauth(steps)


def test_a_code_that_comes_at_once_to_two_processes_gives_nothing(oauth):
    """One exchange succeeds, the other is its reuse, which ends what the first was given."""

    async def steps(site):
        async with second_process(site) as other, site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            code = await allowed_code(browser, client_id)
            form = {
                "grant_type": "authorization_code", "client_id": client_id, "code": code, "code_verifier": "v" * 43,
            }  # fmt: skip

            async def status(process):
                async with process.client() as client:
                    answer = await client.post("/token", data=form)
                return answer.status_code, answer.json()

            answers = dict(await asyncio.gather(status(site), status(other)))
            assert set(answers) == {200, 400}
            for process in (site, other):
                assert await process.forge_status(answers[200]["access_token"]) == 401

    oauth(steps)
