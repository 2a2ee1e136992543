"""Settings: unknown names and values out of range are refused when they are loaded, with the file that has them."""

import pytest

from imgen import settings
from imgen.domain.errors import ConfigurationError


def refusal(folder, text):
    """The message of a refused imgen.toml, without the folder's path."""
    (folder / "imgen.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        settings.load(folder, environ={})
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[http]\nprot = 1", "imgen.toml: [http] prot: there is no such setting; did you mean 'port'?"),
        ("[htpp]\nport = 1", "imgen.toml: htpp: there is no such setting; did you mean 'http'?"),
        ("port = 9000", "imgen.toml: port: there is no such setting; did you mean [http] port?"),
        (
            "[objects.s3]\nbuckt = 'x'",
            "imgen.toml: [objects.s3] buckt: there is no such setting; did you mean 'bucket'?",
        ),
        ("[jobs]\nzzzzzzzz = 1", "imgen.toml: [jobs] zzzzzzzz: there is no such setting"),
        ("data_dir = 'x'", "imgen.toml: data_dir: there is no such setting"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_one(tmp_path, text, message):
    """The message has file, section and name, and the setting that was meant, if one is near."""
    assert refusal(tmp_path, text) == message


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("http", "port", "0"),
        ("http", "port", "65536"),
        ("http", "max_body_mib", "-1"),
        ("http", "read_timeout_s", "0"),
        ("http", "processes", "0"),
        ("database", "pool_size", "0"),
        ("objects", "url_expires_s", "691200"),
        ("objects", "url_expires_s", "0"),
        ("jobs", "max_attempts", "0"),
        ("jobs", "lease_s", "-1"),
        ("jobs", "deadline_s", "inf"),
        ("jobs", "reconcile_s", "nan"),
        ("jobs", "retry_pauses_s", "[-1]"),
        ("jobs", "retry_pauses_s", "[]"),
        ("jobs", "keep_jobs_days", "-1"),
        ("enhancer", "timeout_s", "0"),
        ("review", "give_up_s", "-1"),
        ("cache", "similarity", "1.5"),
        ("cache", "max_gib", "-5"),
        ("workers", "finish_processes", "0"),
        ("logs", "level", "'loud'"),
        ("credentials", "algorithm_domain", "''"),
        ("credentials", "algorithm_domain", "'example'"),
        ("credentials", "algorithm_domain", "'com.example.'"),
    ],
)
def test_a_value_out_of_range_is_refused(tmp_path, section, name, value):
    """No number can be set that the service cannot keep: the message has file, section and name."""
    assert refusal(tmp_path, f"[{section}]\n{name} = {value}").startswith(f"imgen.toml: [{section}] {name}")


def test_every_number_has_a_range():
    """A setting that is a number cannot be infinite and has a bound on both sides."""

    def unbounded(section, path):
        for name, field in section.model_fields.items():
            kind = field.annotation
            if hasattr(kind, "model_fields"):
                yield from unbounded(kind, f"{path}{name}.")
            elif kind in (int, float) and not {"ge", "gt", "le", "lt"} & {
                bound
                for one in field.metadata
                for bound in ("ge", "gt", "le", "lt")
                if getattr(one, bound, None) is not None
            }:
                yield f"{path}{name}"

    assert list(unbounded(settings.Settings, "")) == []


def test_a_variable_of_an_unknown_section_is_refused(tmp_path):
    """IMGEN_HTPP__PORT would otherwise change nothing; variables of other uses, such as IMGEN_KEY, pass."""
    with pytest.raises(ConfigurationError, match=r"IMGEN_HTPP__PORT: no section \[htpp\]; did you mean 'http'\?"):
        settings.load(tmp_path, environ={"IMGEN_HTPP__PORT": "1"})
    settings.load(tmp_path, environ={"IMGEN_KEY": "x", "IMGEN_URL": "x"})


def test_a_wrong_secret_is_not_in_the_message(tmp_path):
    """A database URL has a password."""
    assert "hunter2" not in refusal(tmp_path, "[database]\nurl = ['postgresql://imgen:hunter2@db/imgen']")
