"""Address of a request: taken with the job, or refused before anything is made."""

import pytest
from submitting import submit_repaired

from imgen.domain.errors import InvalidField
from imgen.domain.request import GenerateRequest
from imgen.records import jobs


def ask(caller, **fields):
    """Submits a request; the jobs that are then stored."""

    async def main(core):
        principal = caller(core)
        request = GenerateRequest(prompt="red coat", **fields)
        submitted = await submit_repaired(core, principal, request, surface="action")
        return [await core.database.reading(jobs.find, job.id) for job in submitted.jobs]

    return main


def test_the_address_is_kept_with_each_job(core, caller):
    """Of a request for several pictures each has it, in ASCII."""
    stored = core(ask(caller, n=2, webhook_url=" https://Hooks.example.com/ü?a=b "))
    assert [job.webhook_url for job in stored] == ["https://hooks.example.com/%C3%BC?a=b"] * 2


@pytest.mark.parametrize("url", [None, "", "  "])
def test_no_address_is_none(core, caller, url):
    """Forms send an empty text."""
    (job,) = core(ask(caller, webhook_url=url))
    assert job.webhook_url == ""


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "hooks.example.com", "x" * 9999],
)
def test_another_address_is_refused(core, caller, url):
    """It is named in the error."""
    with pytest.raises(InvalidField, match="^Invalid webhook_url$"):
        core(ask(caller, webhook_url=url))


def test_an_opened_network_may_be_named(core, caller):
    """By http, too."""

    (job,) = core(ask(caller, webhook_url="http://10.1.2.3:8080/"), '[webhooks]\nallow = ["10.0.0.0/8"]\n')
    assert job.webhook_url == "http://10.1.2.3:8080/"
