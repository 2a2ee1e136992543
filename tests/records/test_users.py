"""People in SQL."""

import threading

import pytest

from imgen.domain.errors import Invalid
from imgen.records import users


def add(database, name, role="admin"):
    with database.write() as connection:
        return users.add(connection, name=name, role=role, password_hash="x", must_change_password=False)


def names(database):
    with database.read() as connection:
        return [user.name for user in users.all_users(connection)]


def test_the_last_administrator_stays(database):
    """Members do not count."""
    last = add(database, "ada")
    add(database, "bob", role="member")
    with pytest.raises(Invalid, match="last administrator"), database.write() as connection:
        users.remove(connection, last)
    assert names(database) == ["ada", "bob"]


def test_two_administrators_who_remove_each_other_do_not_both_go(database):
    """The second one waits for the first, and is then the last."""
    ada, bob = add(database, "ada"), add(database, "bob")
    refused = []

    def remove_ada():
        try:
            with database.write() as connection:
                users.remove(connection, ada)
        except Invalid as exc:
            refused.append(str(exc))

    other = threading.Thread(target=remove_ada)
    with database.write() as connection:
        users.remove(connection, bob)
        other.start()
        other.join(timeout=0.5)
        assert other.is_alive()
    other.join(timeout=20)
    assert refused == ["The last administrator cannot be removed"]
    assert names(database) == ["ada"]
