"""People who sign in to the web face, and what each may see."""

from msgspec import Struct

ADMIN, MEMBER = "admin", "member"
ROLES = (ADMIN, MEMBER)
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 200
"""Hashing takes time by length, and nobody types more."""


class Person(Struct, frozen=True, kw_only=True):
    """Somebody with an account."""

    id: str
    name: str
    role: str
    must_change_password: bool
    """The password is a first one, which somebody else has seen."""
    tenant_ids: frozenset[str] = frozenset()
    """Whose keys and pictures a member sees."""
    remote_ip: str = ""
    """Where the present request came from."""

    @property
    def is_admin(self) -> bool:
        """Whether everything is open."""
        return self.role == ADMIN

    @property
    def scope(self) -> frozenset[str] | None:
        """The tenants whose things may be shown; None: all."""
        return None if self.is_admin else self.tenant_ids
