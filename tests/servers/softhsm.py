"""SoftHSM: a token in a folder, with keys that are made in it. Speaks PKCS#11 as an HSM does, within the process."""

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

MODULE = next(
    (path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so") if Path(path).exists()),
    "",
)
PIN, LABEL = "4321", "imgen test"
ED25519_OID = "1.3.101.112"
CURVES = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True)
class PublicHalf:
    """Public half of a key in the token, under the method by which `signing_chains` takes it of a private one."""

    key: object

    def public_key(self):
        return self.key


@dataclass
class Token:
    """Token, and the folder that holds it."""

    folder: Path

    def uri(self, label, **more):
        """Returns the URI of a key."""
        named = "".join(f";{name}={value}" for name, value in more.items())
        return f"pkcs11:token=imgen%20test;object={label}{named}?module-path={MODULE}"

    def make_key(self, kind, label, key_id=b"\x01"):
        """Makes a key pair in the token; returns its public half."""
        module = pkcs11.lib(MODULE)
        module.reinitialize()
        session = module.get_token(token_label=LABEL).open(rw=True, user_pin=PIN)
        if kind == "rsa":
            public, _ = session.generate_keypair(KeyType.RSA, 2048, label=label, id=key_id, store=True)
            modulus, exponent = (
                int.from_bytes(public[name], "big") for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
            )
            found = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        elif kind == "ed25519":
            found = self._make(
                session, KeyType.EC_EDWARDS, ED25519_OID, label, key_id, Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            )
            found = ed25519.Ed25519PublicKey.from_public_bytes(found[Attribute.EC_POINT][2:])  # in an OCTET STRING
        else:
            made = self._make(session, KeyType.EC, kind, label, key_id, Mechanism.EC_KEY_PAIR_GEN)
            found = load_der_public_key(encode_ec_public_key(made))
            assert isinstance(found, ec.EllipticCurvePublicKey)
        session.close()
        return PublicHalf(found)

    def _make(self, session, key_type, curve, label, key_id, mechanism):
        curves = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        parameters = session.create_domain_parameters(key_type, curves, local=True)
        public, _ = parameters.generate_keypair(mechanism=mechanism, label=label, id=key_id, store=True)
        return public

    @contextlib.contextmanager
    def away(self):
        """Takes the token away for the length of a block, and closes all sessions."""
        aside = self.folder.with_name("away")
        self.folder.rename(aside)
        self.folder.mkdir()
        try:
            yield
        finally:
            self.folder.rmdir()
            aside.rename(self.folder)

    def lose_sessions(self):
        """Closes all sessions, as an HSM does that starts again."""
        pkcs11.lib(MODULE).reinitialize()


@contextlib.contextmanager
def running(folder):
    """Makes a token for the length of a block; skips the test where SoftHSM is not installed."""
    if not MODULE:
        pytest.skip("SoftHSM is not installed: apt-get install softhsm2")
    tokens = folder / "tokens"
    tokens.mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        yield Token(tokens)
