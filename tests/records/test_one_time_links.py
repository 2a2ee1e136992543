"""One-time links in SQL."""

import threading

import pytest

from imgen.domain.errors import Invalid
from imgen.domain.one_time_link import LIFETIME_S, LinkKind, hash_token, new_token
from imgen.records import one_time_links

NOW = 1_000_000.0


def add(database, token, kind=LinkKind.INVITATION, **fields):
    given = {"tenant_id": "ten_1", "role": "member", "made_by": "usr_owner", "now": NOW} | fields
    with database.write() as connection:
        return one_time_links.add(connection, hash_token(token), kind, **given)


def is_open(database, token, kind=LinkKind.INVITATION, now=NOW):
    try:
        with database.read() as connection:
            one_time_links.find_open(connection, hash_token(token), kind, now=now)
    except Invalid:
        return False
    return True


def test_a_link_is_good_for_a_week_as_what_it_is(database):
    """Neither later, nor as a link of the other kind, nor with another token."""
    token = new_token()
    add(database, token)
    assert is_open(database, token)
    assert is_open(database, f" {token}\n")
    assert not is_open(database, token, kind=LinkKind.PASSWORD_RESET)
    assert not is_open(database, token[:-1])
    assert not is_open(database, token, now=NOW + LIFETIME_S)


def test_of_two_uses_at_once_one_succeeds(database):
    """The second one waits for the first, and finds the link used."""
    link = add(database, new_token())
    told = []

    def use(name):
        try:
            with database.write() as connection:
                one_time_links.use(connection, link, used_by=name, now=NOW)
        except Invalid as exc:
            told.append(str(exc))
        else:
            told.append("used")

    both = [threading.Thread(target=use, args=(name,)) for name in ("ada", "bob")]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)
    assert sorted(told) == ["This link was used, revoked or has expired; ask for another one", "used"]


def test_invitations_end_with_their_revocation_or_their_makers(database):
    """One by its id within its tenant, all of a user within one tenant or everywhere; others stay."""
    tokens = {name: new_token() for name in ("first", "second", "elsewhere", "others")}
    first = add(database, tokens["first"])
    add(database, tokens["second"])
    add(database, tokens["elsewhere"], tenant_id="ten_2")
    add(database, tokens["others"], made_by="usr_other")

    def left():
        return {name for name, token in tokens.items() if is_open(database, token)}

    with pytest.raises(Invalid), database.write() as connection:
        one_time_links.revoke_invitation(connection, "ten_2", first.id, now=NOW)
    with database.write() as connection:
        one_time_links.revoke_invitation(connection, "ten_1", first.id, now=NOW)
    assert left() == {"second", "elsewhere", "others"}
    with database.write() as connection:
        one_time_links.revoke_made_by(connection, "usr_owner", tenant_id="ten_1", now=NOW)
    assert left() == {"elsewhere", "others"}
    with database.write() as connection:
        one_time_links.revoke_made_by(connection, "usr_owner", now=NOW)
    assert left() == {"others"}


def test_open_links_are_bounded_and_old_ones_go(database, monkeypatch):
    """A tenant has so many open invitations; those that expired a month ago are deleted with the next one that is made."""
    monkeypatch.setattr(one_time_links, "MAX_OPEN", 3)
    for _ in range(3):
        add(database, new_token())
    with pytest.raises(Invalid, match="3 open links"):
        add(database, new_token())
    add(database, new_token(), tenant_id="ten_2")
    later = NOW + LIFETIME_S + one_time_links.KEPT_S + 1
    add(database, new_token(), now=later)
    with database.read() as connection:
        assert len(one_time_links.open_invitations(connection, "ten_1", now=NOW)) == 1
