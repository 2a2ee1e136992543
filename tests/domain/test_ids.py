"""Ids of jobs in their two written forms."""

import re
import uuid

import pytest

from imgen.domain.ids import (
    is_cached,
    is_job_id,
    new_cached_id,
    new_job_id,
    stored_id,
    uuid_form,
    written_id,
)


def test_a_new_id_is_a_uuid_of_version_4():
    """The action API's form has its 128 bits in 22 URL-safe characters."""
    ids = {new_job_id() for _ in range(500)}
    assert len(ids) == 500
    for job_id in ids:
        assert re.fullmatch("run_[A-Za-z0-9_-]{22}", job_id)
        written = uuid_form(job_id)
        assert uuid.UUID(written).version == 4
        assert (stored_id(written), stored_id(written.upper()), stored_id(job_id)) == (job_id,) * 3


def test_a_new_cache_hit_has_a_uuid_as_well():
    """Of version 8, so that nobody takes it for a picture that was drawn."""
    for _ in range(500):
        job_id = new_cached_id()
        written = uuid_form(job_id)
        assert re.fullmatch("cache_[0-9a-f]{32}", job_id)
        assert (uuid.UUID(written).version, uuid.UUID(written).variant) == (8, uuid.RFC_4122)
        assert stored_id(written) == job_id
        assert is_cached(stored_id(written))


@pytest.mark.parametrize(
    ("job_id", "written"),
    [
        ("run_AAAAAAAAAAAAAAAAAAAAAA", "00000000-0000-0000-0000-000000000000"),
        ("run_____________________-w", "ffffffff-ffff-ffff-ffff-fffffffffffb"),
        ("run_AAAAAAAAQACAAAAAAAAAAA", "00000000-0000-4000-8000-000000000000"),
        ("run_AAAAAAAAgACAAAAAAAAAAA", "run_AAAAAAAAgACAAAAAAAAAAA"),
        ("run_AAAAAAAAAAAAAAAAAAAAAB", "run_AAAAAAAAAAAAAAAAAAAAAB"),
        ("run_" + "a" * 25, "run_" + "a" * 25),
        ("run_" + "a" * 64, "run_" + "a" * 64),
        ("cache_" + "0" * 32, "cache_" + "0" * 32),
    ],
    ids=["zeros", "ones", "version 4", "looks cached", "not canonical", "long", "longest", "old cache hit"],
)
def test_an_old_id_is_written_so_that_it_is_found_again(job_id, written):
    """As a UUID where its bits are read back as the same id, else as it is stored."""
    assert uuid_form(job_id) == written
    assert stored_id(written) == job_id


def test_each_surface_writes_its_own_form():
    """Forge, Studio and MCP a UUID, all others the stored form."""
    job_id = new_job_id()
    for surface in ("action", "openai", "panel", "playground", ""):
        assert written_id(job_id, surface) == job_id
    for surface in ("forge", "mcp", "studio"):
        assert written_id(job_id, surface) == str(uuid.UUID(uuid_form(job_id)))


@pytest.mark.parametrize(
    "text",
    ["", "run_", "none", "{59fde0ab-4bfc-458c-90d9-dd660bb2e464}", "urn:uuid:59fde0ab-4bfc-458c-90d9-dd660bb2e464",
     "59fde0ab4bfc458c90d9dd660bb2e464", "59fde0ab-4bfc-458c-90d9-dd660bb2e464\n", "٥9fde0ab-4bfc-458c-90d9-dd660bb2e464"],
    ids=ascii,
)  # fmt: skip
def test_any_other_text_is_no_id(text):
    """It comes back as it is, and no id has its form."""
    assert stored_id(text) == text
    assert not is_job_id(stored_id(text))


def test_the_stored_form_alone_is_the_action_apis():
    """Its `status` answers `Bad ID` to a UUID."""
    assert not is_job_id(uuid_form(new_job_id()))
