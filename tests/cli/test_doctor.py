"""`imgen doctor`: asks each part that is configured, tells what is wrong in it, and makes nothing."""

import json
import sqlite3

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from safetensors.numpy import save_file
from servers import kms, softhsm, time_stamp
from servers.chat import better, completion, refuse, start_chat
from servers.command import run_command
from servers.faulty_http import answer, start_faulty_http
from signing_chains import make_chain, self_made
from structlog.testing import capture_logs

from imgen import configuration, settings
from imgen.cli import doctor
from imgen.cli.doctor import files
from imgen.cli.doctor.finding import Warned
from imgen.provenance.development_chain import make_development_chain


@pytest.fixture
def found(tmp_path):
    """Runs the check of one part over a data folder with this imgen.toml; returns state and text, one behind the other."""

    def run(part, text=""):
        folder = tmp_path / "var"
        folder.mkdir(exist_ok=True)
        (folder / "imgen.toml").write_text(text)
        return ": ".join(doctor.check(part, settings.load(folder, environ={})))

    return run


def tree(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())


def test_a_mistyped_data_folder_is_not_made(tmp_path):
    """Neither the folder nor a database in it; what the first start makes is called fresh."""
    done = run_command("doctor", "--data", str(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()
    assert "(not there yet)" in done.stdout
    for part in ("database", "objects", "credentials"):
        assert any(part in line and "fresh" in line for line in done.stdout.splitlines())
    assert done.returncode == 1  # nothing runs


def test_nothing_is_written_over_an_installation(tmp_path):
    """The files of a stopped stack are the same before and after."""
    run_command("migrate", "--data", str(tmp_path / "var"))
    run_command("doctor", "--data", str(tmp_path / "var"))
    before = tree(tmp_path / "var")
    run_command("doctor", "--data", str(tmp_path / "var"))
    assert tree(tmp_path / "var") == before


def test_the_state_of_the_database_is_told(tmp_path, found):
    """Current, older, of a newer version, or no database at all."""
    assert found("database").startswith("fresh")
    run_command("migrate", "--data", str(tmp_path / "var"))
    assert found("database").startswith("ok")
    with sqlite3.connect(tmp_path / "var" / "imgen.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    assert "is older than this version" in found("database")
    with sqlite3.connect(tmp_path / "var" / "imgen.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "is newer than this version" in found("database")
    done = run_command("migrate", "--data", str(tmp_path / "var"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "newer version" in done.stderr


def test_each_chat_endpoint_is_asked(found):
    """A dead one, and one that refuses, are wrong, with its own words; one that answers is fine."""
    judged = completion(json.dumps({"safe": True, "rules": [], "reason": "ok"}))
    with start_chat() as chat:
        text = (
            f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "m"\n'
            f'[review]\nreviewers = ["rules", "vision"]\nbase_url = "{chat.base_url}"\nmodel = "m"\n'
        )
        chat.will(judged, better("red coat, golden light"))
        assert found("reviewers", text) == "ok: rules: answers\nvision: answers"
        assert found("enhancer", text).startswith("ok: m at http")
        chat.will(
            always=answer(404, b'{"error": {"message": "model m is not served"}}', {"Content-Type": "application/json"})
        )
        for part in ("reviewers", "enhancer"):
            said = found(part, text)
            assert said.startswith("wrong")
            assert "404" in said
            assert "model m is not served" in said
        chat.will(always=refuse(("model", 400, {"error": {"message": "image input is not supported"}}), then=judged))
        assert "image input is not supported" in found("reviewers", text)
    assert "hunter2" not in found("enhancer", text.replace("http://", "http://me:hunter2@"))
    assert found("reviewers", text).startswith("wrong")
    assert found("enhancer", text).startswith("wrong")


def named_chain(folder, days):
    """Settings that name a chain which ends after so many days."""
    make_chain(folder, days)
    given = {"certificate_chain": "chain.pem", "private_key": "key.pem", "trust_anchors": "anchor.pem"}
    return "[credentials]\n" + "".join(f'{name} = "{folder / file}"\n' for name, file in given.items())


def test_key_and_chain_must_fit_and_last(tmp_path, found):
    """Each alone, files of two pairs, a missing file, an expired chain; one that ends soon is a warning."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        make_development_chain(folder)

    def configured(chain, key):
        anchors = f'trust_anchors = "{one / "anchor.pem"}"\n'
        given = {"certificate_chain": chain, "private_key": key}
        return found(
            "credentials",
            "[credentials]\n" + anchors + "".join(f'{name} = "{path}"\n' for name, path in given.items() if path),
        )

    assert configured(one / "chain.pem", one / "key.pem").startswith("ok")
    assert "private_key is not set" in configured(one / "chain.pem", None)
    assert "certificate_chain is not set" in configured(None, one / "key.pem")
    assert configured(one / "chain.pem", other / "key.pem").startswith("wrong")
    assert "No such file" in configured(one / "chain.pem", tmp_path / "none.pem")
    assert configured(other / "chain.pem", other / "key.pem").startswith("wrong")  # of another root
    assert found("credentials", named_chain(tmp_path / "soon", 5)).startswith("warning")
    assert found("credentials", named_chain(tmp_path / "gone", -1)).startswith(
        "wrong: The signing certificate ended on"
    )


def test_a_key_in_an_hsm_is_asked_for_a_signature(tmp_path, found):
    """The way to it is told where it fits; a wrong one, one that is away and a PIN that is missing are wrong."""
    with softhsm.running(tmp_path) as token:
        chain, _ = self_made(token.make_key("secp256r1", "doctor"), days=90)
        (tmp_path / "chain.pem").write_bytes(chain)

        def configured(label, pin=softhsm.PIN):
            return found(
                "credentials",
                f'[credentials]\ncertificate_chain = "{tmp_path}/chain.pem"\nprivate_key = "{token.uri(label)}"\n'
                f'trust_anchors = "{tmp_path}/chain.pem"\nkey_pin = "{pin}"\n',
            )

        assert configured("doctor").startswith(f"ok: {tmp_path}/chain.pem and the key by PKCS#11 fit")
        assert "no private key of the certificate's type" in configured("nobody")
        token.make_key("secp256r1", "another")
        assert "another than the certificate's" in configured("another")
        assert configured("doctor", pin="").startswith("wrong: ")
        refused = configured("doctor", pin="55555-wrong")
        assert refused.startswith("wrong: The token refuses the PIN")
        assert "55555" not in refused
        with token.away():
            assert "no token by the name" in configured("doctor")


def test_a_key_in_kms_is_asked_for_a_signature(tmp_path, found, monkeypatch):
    """With a time-stamp as well, in a question of its own; a server that refuses is wrong."""
    for name, value in kms.ENVIRON.items():
        monkeypatch.setenv(name, value)
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "chain.pem").write_bytes(self_made(key, days=90)[0])
    with kms.running() as server, time_stamp.running() as authority:
        text = (
            f'[credentials]\ncertificate_chain = "{tmp_path}/chain.pem"\nprivate_key = "{server.add(key, "k", alias="k")}"\n'
            f'trust_anchors = "{tmp_path}/chain.pem"\ntsa_url = "{authority.url}"\n'
            f'[credentials.kms]\nregion = "{kms.REGION}"\nendpoint_url = "{server.url}"\n'
        )
        assert found("credentials", text).startswith(f"ok: {tmp_path}/chain.pem and the key by AWS KMS fit")
        assert authority.asked == 0
        assert found("time-stamps", text).startswith("ok")
        server.habits = ["AccessDeniedException"]
        assert found("credentials", text).startswith("wrong: KMS does not sign: AccessDeniedException")


def test_the_time_stamp_authority_is_asked(tmp_path, found):
    """One that answers is fine; a dead one is wrong, also where pictures are signed without it."""
    make_development_chain(tmp_path / "var" / "credentials")
    with time_stamp.running() as authority:
        text = f'[credentials]\ntsa_url = "{authority.url}"\nwithout_timestamp = "sign"\n'
        assert found("time-stamps", text).startswith("ok")
    assert found("time-stamps", text).startswith("wrong")


def test_models_have_their_resolved_path_and_their_files_are_tried(tmp_path, found):
    """A missing folder, and a file that is no safetensors file whatever its name says, are wrong."""
    assert "config/starter" in found("models")
    models = tmp_path / "var" / "models"
    models.mkdir()
    table = 'label = "Own"\nsource = "own.safetensors"\ndefault_style = "p"\nsteps = {default = 4}\nguidance = {default = 2}\n'
    (tmp_path / "var" / "models.toml").write_text(f'[own]\n{table}[own.styles.p]\nlabel = "P"\n')
    assert "no model 'own.safetensors'" in found("models")
    (models / "own.safetensors").write_text("pickle")
    assert "not a safetensors file" in found("models")
    save_file({"x": np.zeros(1, np.float32)}, models / "own.safetensors")
    assert f"own: {models / 'own.safetensors'}" in found("models")


def test_an_embedder_that_does_not_run_is_no_failure(found):
    """Look-ups are misses without it; a configured endpoint that does not answer is wrong."""
    assert found("cache").startswith("warning")
    assert found("cache", "[cache]\nenabled = false\n") == "ok: off"
    assert found("cache", '[cache]\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "m"\n').startswith("wrong")


def test_a_plan_that_locks_its_pollers_out_is_a_warning(tmp_path):
    """It is told by doctor and in the log when the plans are read, and it is no failure; the shipped ones are fine."""
    shipped = settings.load(tmp_path, environ={})
    assert not isinstance(files.plans(shipped), Warned)
    (tmp_path / "plans.toml").write_text("[trial]\nrequests_per_minute = 60\n")
    warned = files.plans(settings.load(tmp_path, environ={}))
    assert isinstance(warned, Warned)
    assert "plan trial: requests_per_minute is 60, but polling its 5 open jobs takes 100" in warned
    with capture_logs() as logged:
        configuration.load(settings.load(tmp_path, environ={}))
    assert "plan trial" in str(logged)


def test_the_public_address_is_asked_for_what_applications_need(found):
    """Unset, away, with another issuer behind a wrong proxy, and as it has to be."""

    def documents(own, *, has_mcp=True):
        def behaviour(exchange):
            if exchange.path == "/mcp":
                challenge = f'Bearer resource_metadata="{own}/.well-known/oauth-protected-resource/mcp"'
                answer(401, headers={"WWW-Authenticate": challenge} if has_mcp else {})(exchange)
                return
            path = "/mcp" if exchange.path.endswith("/mcp") else ""
            field = "resource" if path else "issuer"
            answer(200, json.dumps({field: own + path}).encode())(exchange)

        return behaviour

    assert found("public address").startswith("ok: not set")
    with start_faulty_http(answer(404)) as server:
        settings_ = f'[http]\npublic_url = "{server.url}/"\n'
        assert "status 404" in found("public address", settings_)
        server.standing = documents("http://127.0.0.1:8000")
        assert found("public address", settings_).startswith("wrong: ")
        assert "issuer 'http://127.0.0.1:8000' instead" in found("public address", settings_)
        server.standing = documents(server.url)
        assert found("public address", settings_) == f"ok: {server.url} serves MCP and the metadata of OAuth"
        server.standing = documents(server.url, has_mcp=False)
        assert "/mcp: status 401 instead of" in found("public address", settings_)
        server.standing = answer(302, headers={"Location": f"{server.url}/x"})
        assert "status 302" in found("public address", settings_)
    assert found("public address", settings_).startswith("warning: ")
