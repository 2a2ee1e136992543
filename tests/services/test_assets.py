"""Assets for callers: the operator says who may have them, and nothing tells foreign from unknown."""

import pytest
from records.test_assets import SHA, completed
from sqlalchemy import event

from imgen.domain.errors import ObjectNotFound
from imgen.services.assets import find_asset, find_input

PRIVATE = '[forge]\nassets = "private"\n'
SHARED = "[forge]\nshared_inputs = true\n"


def publish(core, principal):
    return core.database.attempt(completed, tenant_id=principal.tenant.id)


async def is_found(find, core, sha256, who):
    try:
        found = await find(core, sha256, who)
    except ObjectNotFound:
        return False
    return found.sha256 == SHA


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", {"own": (True, True), "other": (True, False), "nobody": (True, None)}),
        (PRIVATE, {"own": (True, True), "other": (False, False), "nobody": (False, None)}),
        (SHARED, {"own": (True, True), "other": (True, True), "nobody": (True, None)}),
    ],
    ids=["public", "private", "shared"],
)
def test_the_operator_says_who_may_have_a_picture(core, caller, settings, expected):
    """To look at, and to draw from: that is the tenant's own alone unless it is shared."""

    async def work(opened):
        own, other = caller(opened, "own"), caller(opened, "other")
        publish(opened, own)
        found = {"nobody": (await is_found(find_asset, opened, SHA, None), None)}
        for name, who in (("own", own), ("other", other)):
            found[name] = (
                await is_found(find_asset, opened, SHA.upper(), who),
                await is_found(find_input, opened, SHA, who),
            )
        assert found == expected

    core(work, settings)


def test_foreign_and_unknown_pictures_cost_the_same(core, caller):
    """One query each; a text that is no digest costs none."""

    async def work(opened):
        own, other = caller(opened, "own"), caller(opened, "other")
        publish(opened, own)
        statements = []
        event.listen(opened.database.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
        asked = []
        for sha256, who in ((SHA, own), (SHA, other), ("cd" * 32, other)):
            statements.clear()
            await is_found(find_asset, opened, sha256, who)
            asked.append([one for one in statements if "FROM assets" in one])
        assert asked[0] == asked[1] == asked[2]
        assert len(asked[0]) == 1
        for sha256 in ("", "ab", SHA + "ab", "zz" * 32, SHA + "\n", "é" * 64):
            assert not await is_found(find_asset, opened, sha256, own)

    core(work, PRIVATE)
