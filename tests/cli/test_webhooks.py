"""Command `imgen webhooks`: endpoints, secrets and messages of a tenant, each change audited."""

import pytest
from records.webhook_rows import FREE, TENANT, end_job
from servers.tables import make_tables
from typer.testing import CliRunner

from imgen import composition, settings
from imgen.cli.main import build
from imgen.domain.errors import Invalid
from imgen.domain.webhook import Attempt, DeliveryState
from imgen.records import audit, tenants, webhook_log, webhook_outbox, webhooks
from imgen.records.tables.accounts import tenants as tenant_rows

URL = "https://hooks.example.com/a"


@pytest.fixture
def database(tmp_path):
    """The database of a data folder with the tenant `studio`."""
    opened = composition.open_database(settings.load(tmp_path, environ={}))
    make_tables(opened)
    with opened.write() as connection:
        tenants.ensure_tenant(connection, "studio", "standard")
        connection.execute(tenant_rows.update().values(id=TENANT))
    yield opened
    opened.close()


@pytest.fixture
def imgen(tmp_path, database):
    """Runs a command over it; gives what it prints on stdout."""

    def run(*arguments: str) -> str:
        words = ["webhooks", *arguments, "--data", str(tmp_path)]
        done = CliRunner().invoke(build(words), words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    return run


def test_an_endpoint_from_its_making_to_its_end(imgen, database):
    """Its secrets are printed alone and nowhere else; each change is in the audit, without them."""
    made = imgen("add", "studio", URL, "--event", "job.failed")
    rotated = imgen("rotate", URL)
    with database.read() as connection:
        (endpoint,) = webhooks.endpoints_of(connection, [TENANT])
    assert [one.get_secret_value() for one in endpoint.secrets.valid(0)] == [rotated, made]
    assert endpoint.events == ("job.failed",)
    assert imgen("test", endpoint.id).startswith("msg_")
    imgen("disable", endpoint.id)
    assert "Switched off on the command line" in imgen("list", "studio")
    imgen("enable", URL)
    told = imgen("list")
    assert endpoint.id in told
    assert "webhook.test" in told
    imgen("remove", endpoint.id)
    with database.read() as connection:
        assert webhooks.endpoints_of(connection, None) == []
        rows = audit.page(connection, limit=100)
    assert [row.action for row in rows if "webhook" in row.action] == [
        "removed webhook",
        "switched webhook",
        "switched webhook",
        "tested webhook",
        "rotated webhook secret",
        "made webhook",
    ]
    assert [secret for secret in (made, rotated) if secret in f"{rows} {told}"] == []


def test_the_tenants_own_secret_is_printed_once(imgen):
    """`--new` replaces it."""
    first = imgen("secret", "studio")
    with pytest.raises(Invalid, match="shown already"):
        imgen("secret", "studio")
    assert imgen("secret", "studio", "--new") != first


def test_dead_letters_are_listed_and_sent_again(imgen, database):
    """All of a tenant, or one message."""
    imgen("add", "studio", URL)
    with database.write() as connection:
        for _ in range(2):
            end_job(connection)
        claimed = webhook_outbox.claim(connection, FREE, lease_s=30)
        for delivery in claimed:
            failed = Attempt(at=1.0, duration_s=0.1, status=500)
            webhook_outbox.settle(connection, delivery, failed, state=DeliveryState.DEAD)
    assert all(one.id in imgen("list", "studio", "--dead") for one in claimed)
    with pytest.raises(Invalid, match="no message"):
        imgen("resend", "studio", "--message", "msg_x")
    assert imgen("resend", "studio", "--message", claimed[0].id) == "1 to be sent again"
    with pytest.raises(Invalid, match="waits already"):
        imgen("resend", "studio", "--message", claimed[0].id)
    assert imgen("resend", "studio") == "1 to be sent again"
    with database.read() as connection:
        page = webhook_log.page(connection, [TENANT], limit=10)
    assert {one.state for one in page.deliveries} == {DeliveryState.WAITING}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "nobody", URL), "no tenant"),
        (("add", "studio", "http://127.0.0.1/"), "https://"),
        (("add", "studio", URL, "--event", "job.done"), "job.done"),
        (("rotate", "whe_0"), "no endpoint"),
        (("list", "nobody"), "no tenant"),
    ],
)
def test_a_wrong_name_is_told(imgen, arguments, words):
    """Nothing is changed."""
    with pytest.raises(Invalid, match=words):
        imgen(*arguments)
