"""Doctor's line about plans."""

from imgen import configuration, settings
from imgen.cli import doctor


def test_a_plan_that_locks_its_pollers_out_is_a_warning(tmp_path, capsys):
    """It is told by doctor and in the log when the plans are read, and it is no failure; the shipped ones are fine."""
    shipped = settings.load(tmp_path, environ={})
    assert not isinstance(doctor._plans(shipped), doctor.Warned)
    (tmp_path / "plans.toml").write_text("[trial]\nrequests_per_minute = 60\n")
    warned = doctor._plans(settings.load(tmp_path, environ={}))
    assert isinstance(warned, doctor.Warned)
    assert "plan trial: requests_per_minute is 60, but polling its 5 open jobs takes 100" in warned
    configuration.load(settings.load(tmp_path, environ={}))
    assert "plan trial" in "".join(capsys.readouterr())
