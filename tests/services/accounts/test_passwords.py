"""Hashes of passwords."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from imgen.services.accounts import passwords


def test_a_decoy_costs_what_a_hash_costs():
    """A password is hashed with the costs of all others to find that it is not the decoy's, which no two calls make alike."""
    decoy = passwords.decoy_hash()
    assert extract_parameters(decoy) == extract_parameters(passwords.hash_password("a password of hers"))
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(decoy, "a password of hers")
    assert not passwords.verify_password("a password of hers", decoy)
    assert passwords.decoy_hash() != decoy
