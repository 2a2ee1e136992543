"""Pollers in docs/clients: files that they save or refuse to save, and messages before they ask for anything."""

from pathlib import Path

import pytest
from clients.scripts import WORDS, Client, files_in, one_of_each, shell_with
from servers.action_stub import PICTURES, Reply, Stub, error


@one_of_each
@pytest.mark.parametrize("filename", ["../../evil.jpg", "/etc\\evil.jpg"])
def test_file_names_lose_their_path(client: Client, stub: Stub, out: Path, tmp_path: Path, filename: str) -> None:
    """Of a file name only the last part counts: nothing is written outside the folder."""
    stub.plan["status"] = [stub.completed(filename=filename)]
    before = set(files_in(tmp_path))
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert set(files_in(tmp_path)) - before == {f"a/b/out/{name}" for name in ("evil.jpg", list(PICTURES)[1])}


@one_of_each
@pytest.mark.parametrize(
    "reply",
    [
        {"filename": ".."},
        {"filename": ".profile"},
        {"filename": "a\nb.jpg"},
        {"url": "file:///etc/passwd"},
    ],
    ids=["dots", "hidden", "newline", "file-url"],
)
def test_odd_names_and_addresses_are_refused(client: Client, stub: Stub, out: Path, reply: dict[str, str]) -> None:
    """A name that is no plain file name, or an address that is not the web's, ends the script before a file is made."""
    stub.plan["status"] = [stub.completed(**reply)]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout, files_in(out)) == (1, "", [])
    assert "refused to save" in done.stderr


def test_broken_download_is_tried_again(client: Client, stub: Stub, out: Path) -> None:
    """A transfer that breaks off leaves no half picture: it is fetched again."""
    signed, content = next(iter(PICTURES.items()))
    whole = Reply(body=content)
    stub.plan[f"/files/{signed}"] = [error(503, "Slow down"), Reply(body=content, breaks_off=True), whole]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert (out / signed).read_bytes() == content


@one_of_each
def test_download_that_stays_broken_is_told(client: Client, stub: Stub, out: Path) -> None:
    """Three tries, then an error that names the file, and no file."""
    signed = next(iter(PICTURES))
    stub.plan[f"/files/{signed}"] = [error(403, "Expired")]
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(out))

    assert (done.returncode, done.stdout, files_in(out)) == (1, "", [])
    assert signed in done.stderr
    assert "403" in done.stderr
    assert len(stub.asked(f"/files/{signed}")) == 3


@one_of_each
@pytest.mark.parametrize("arguments", [("--option", "seed"), ("--out",), ("--seed", "7")], ids=" ".join)
def test_wrong_arguments_start_no_job(client: Client, stub: Stub, arguments: tuple[str, ...]) -> None:
    """An argument that the script does not understand is told before anything is sent."""
    done = client.run(stub.url, stub.key, *WORDS, *arguments)

    assert (done.returncode, done.stdout, stub.seen) == (1, "", [])
    assert arguments[0] in done.stderr


@one_of_each
def test_folder_that_cannot_be_made_starts_no_job(client: Client, stub: Stub, tmp_path: Path) -> None:
    """A place that no picture can be saved to is found out before one is paid for."""
    (tmp_path / "file").write_text("in the way")
    done = client.run(stub.url, stub.key, *WORDS, "--out", str(tmp_path / "file" / "out"))

    assert (done.returncode, done.stdout, stub.seen) == (1, "", [])
    assert "cannot use" in done.stderr


@one_of_each
def test_server_and_key_are_asked_for(client: Client) -> None:
    """Without an address and a key the script says which variables it reads."""
    done = client.run("", "", *WORDS)

    assert (done.returncode, done.stdout) == (1, "")
    assert "IMGEN_URL" in done.stderr
    assert "IMGEN_KEY" in done.stderr


def test_shell_without_a_json_tool_says_what_it_needs(tmp_path: Path) -> None:
    """Neither jq nor python3: the shell client names both and stops."""
    done = shell_with(tmp_path).run("http://127.0.0.1:9", "key", *WORDS)

    assert (done.returncode, done.stdout) == (1, "")
    assert "needs jq or python3" in done.stderr
