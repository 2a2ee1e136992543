"""The reloader of the operator's files."""

from imgen.configuration import Reloader
from imgen.domain.errors import ConfigurationError


def test_files_are_read_again_once_for_each_epoch():
    """Neither before the first change nor twice for the same one."""
    reads = iter("abc")
    reloader = Reloader(lambda: next(reads))
    assert not reloader.is_due(None)
    for epoch, value in ((b"1", "a"), (b"2", "b")):
        assert reloader.is_due(epoch)
        assert reloader.reload(epoch) == value
        assert not reloader.is_due(epoch)


def test_wrong_files_change_nothing():
    """They are read once, told in the log, and not again before the next change."""

    def read():
        raise ConfigurationError("models.toml: no model is configured")

    reloader = Reloader(read)
    assert reloader.reload(b"1") is None
    assert not reloader.is_due(b"1")
    assert reloader.is_due(b"2")
