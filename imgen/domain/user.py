"""Users of the web face, and the tenants that each may see."""

from typing import Protocol

from msgspec import Struct

ADMIN, MEMBER = "admin", "member"
ROLES = (ADMIN, MEMBER)
OWNER = "owner"
TENANT_ROLES = (OWNER, MEMBER)
"""Roles within a tenant: an owner manages its keys, members and invitations, a member uses it."""
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 200
"""Limit of a password, because hashing takes time by length."""


class Actor(Protocol):
    """Party whose change is written to the audit: a user, or a key of an operator."""

    @property
    def name(self) -> str:
        """Returns its name."""

    @property
    def remote_ip(self) -> str:
        """Returns the IP address of the present request."""


class User(Struct, frozen=True, kw_only=True):
    """User with an account."""

    id: str
    name: str
    role: str
    must_change_password: bool
    """Whether the password is the first one, which another user has seen."""
    tenant_ids: frozenset[str] = frozenset()
    """Tenants whose keys and pictures a member sees."""
    owned_ids: frozenset[str] = frozenset()
    """Those of them that the user owns."""
    remote_ip: str = ""
    """IP address of the present request."""

    @property
    def is_admin(self) -> bool:
        """Returns whether the user sees all tenants."""
        return self.role == ADMIN

    @property
    def scope(self) -> frozenset[str] | None:
        """Returns the tenants whose data may be shown; None: all."""
        return None if self.is_admin else self.tenant_ids

    def may_manage(self, tenant_id: str) -> bool:
        """Returns whether the user manages the keys, members and invitations of a tenant."""
        return self.is_admin or tenant_id in self.owned_ids
