"""Time-stamps: one for each picture, and an authority that is away holds nobody for long."""

import time

import numpy as np
import pytest
from factories import make_manifest
from servers import time_stamp

from imgen.domain import errors
from imgen.domain.circuit_breaker import CircuitBreaker
from imgen.provenance import credentials, encoding, signer
from imgen.provenance.time_stamping import TimeStampAuthority

MANIFEST = make_manifest()
PICTURE = encoding.encode(np.zeros((64, 64, 3), np.uint8), "jpeg", quality=90)
THUMBNAIL = encoding.encode(np.zeros((16, 16, 3), np.uint8), "jpeg", quality=90)
NOBODY = "http://127.0.0.1:9/tsa"


@pytest.fixture
def authority():
    """A time-stamp authority that answers until a test gives it another habit."""
    with time_stamp.running() as running:
        yield running


@pytest.fixture
def open_signer(chain):
    """Opens a signer of the development chain."""

    def make(url, **options):
        return signer.open_signer(chain.chain, chain.key, tsa_url=url, **options)

    return make


def test_picture_gets_a_time_stamp_and_its_thumbnail_needs_none(authority, open_signer, chain):
    """One question for both; the picture tells when it was signed, and both are trusted."""
    signer = open_signer(authority.url)
    before = int(time.time())
    signed = signer.sign(PICTURE, "image/jpeg", MANIFEST)
    thumbnail = signer.sign_thumbnail(THUMBNAIL, "image/jpeg", MANIFEST, signed)
    assert authority.asked == 1
    assert signed.is_time_stamped
    picture, small = (credentials.read(body, "image/jpeg", chain.anchor) for body in (signed.body, thumbnail))
    assert (picture.state, small.state) == ("Trusted", "Trusted")
    assert (
        before
        <= time.mktime(time.strptime(picture.time_stamp, "%Y-%m-%dT%H:%M:%S+00:00")) - time.timezone
        <= time.time()
    )
    assert small.time_stamp is None


def test_authority_is_not_asked_when_a_signer_is_opened(authority, open_signer):
    """A worker starts while it is away."""
    open_signer(authority.url)
    assert authority.asked == 0


@pytest.mark.parametrize("habit", ["error", "refuse", "garbage", "other"])
def test_authority_that_gives_no_good_time_stamp_is_asked_again_later(authority, open_signer, habit):
    """An error, a refusal, no time-stamp at all and one of other bytes are an outage, and nothing is signed meanwhile."""
    authority.habit = habit
    with pytest.raises(errors.Retryable, match="gave no time-stamp"):
        open_signer(authority.url).sign(PICTURE, "image/jpeg", MANIFEST)
    authority.habit = "answer"
    assert open_signer(authority.url).sign(PICTURE, "image/jpeg", MANIFEST).is_time_stamped


def test_authority_that_accepts_and_never_answers_costs_its_limit(authority, open_signer):
    """The library would wait 30 s; here a signature ends within its own limit, for the retry policy."""
    authority.habit = "stall"
    signer = open_signer(authority.url, tsa_timeout_s=1)
    began = time.monotonic()
    with pytest.raises(errors.Retryable, match=r"did not answer within 1 s"):
        signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert time.monotonic() - began < 20
    assert authority.stalled.is_set()


def test_signature_that_hangs_holds_up_no_other(authority, open_signer, chain):
    """While one waits for the authority, others are signed, with a time-stamp and without."""
    authority.habit = "stall"
    signer = open_signer(authority.url, tsa_timeout_s=1)
    with pytest.raises(errors.Retryable):
        signer.sign(PICTURE, "image/jpeg", MANIFEST)
    authority.habit = "answer"
    signed = signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert signed.is_time_stamped
    assert signer.sign_thumbnail(THUMBNAIL, "image/jpeg", MANIFEST, signed)


@pytest.mark.parametrize("policy", ["wait", "sign"])
def test_authority_that_is_away_is_left_alone_for_a_while(authority, open_signer, policy):
    """After three failures in a row it is not asked, whatever an outage means."""
    authority.habit = "error"
    signer = open_signer(authority.url, without_timestamp=policy)
    for _ in range(5):
        if policy == "sign":
            assert not signer.sign(PICTURE, "image/jpeg", MANIFEST).is_time_stamped
        else:
            with pytest.raises(errors.Retryable):
                signer.sign(PICTURE, "image/jpeg", MANIFEST)
    assert authority.asked == 3


def test_authority_is_asked_again_after_the_pause():
    """One signature tries it; where that succeeds, the next ones ask as before."""
    now = [0.0]
    asked = TimeStampAuthority(NOBODY, breaker=CircuitBreaker(failures=1, pause_s=20, clock=lambda: now[0]))

    def fail():
        raise credentials.c2pa.C2paError.Signature("refused")

    with pytest.raises(errors.UpstreamUnavailable):
        asked.ask(fail)
    with pytest.raises(errors.UpstreamPaused):
        asked.ask(lambda: "signed")
    now[0] = 21
    assert [asked.ask(lambda: "signed") for _ in range(2)] == ["signed", "signed"]


def test_outage_may_mean_a_signature_without_a_time_stamp(open_signer, chain):
    """With `without_timestamp = "sign"` the picture is signed and trusted all the same, and says that it has none."""
    signed = open_signer(NOBODY, without_timestamp="sign").sign(PICTURE, "image/jpeg", MANIFEST)
    assert not signed.is_time_stamped
    found = credentials.read(signed.body, "image/jpeg", chain.anchor)
    assert (found.state, found.time_stamp, found.manifest_id) == ("Trusted", None, signed.manifest_id)


def test_file_that_cannot_be_signed_is_no_outage(authority, open_signer):
    """Nobody waits for an authority where the file itself is at fault."""
    with pytest.raises(errors.ModelError):
        open_signer(authority.url).sign(b"text", "image/jpeg", MANIFEST)


def test_address_of_an_authority_with_a_password_shows_in_no_error(open_signer):
    """The message names no address."""
    with pytest.raises(errors.Retryable) as raised:
        open_signer("http://name:secret@127.0.0.1:9/tsa").sign(PICTURE, "image/jpeg", MANIFEST)
    with pytest.raises(errors.ConfigurationError) as refused:
        open_signer("name:secret@127.0.0.1")
    assert "secret" not in f"{raised.value}{refused.value}"
