"""Requests and answers of the operators' API."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from imgen.domain.account import Pack
from imgen.domain.job import utc_text
from imgen.records.packs import GrantedPack


class PlanRequest(Struct, frozen=True, kw_only=True):
    """Change of a tenant's plan."""

    plan: Annotated[str, Meta(description="Plan of plans.toml, such as `pro`.")]


class PackRequest(Struct, frozen=True, kw_only=True):
    """Grant of a pack of credits for a payment."""

    pack: Annotated[str, Meta(description="Pack of plans.toml, such as `pack_500`.")]
    reference: Annotated[
        str,
        Meta(
            description="Reference of the payment, 1 to 200 printable characters. It counts once, however it is granted."
        ),
    ]


class TenantAnswer(Struct, frozen=True, kw_only=True):
    """Tenant with its plan and this month's use."""

    id: str
    name: str
    plan: str
    pictures: Annotated[int, Meta(description="Pictures that were charged this month (UTC).")]
    credits: Annotated[int, Meta(description="Credits that were charged this month, of plan and packs.")]
    packs_left: Annotated[int, Meta(description="Credits left in its packs.")]


class PackAnswer(Struct, frozen=True, kw_only=True):
    """Pack of credits that a tenant was given."""

    id: str
    tenant_id: str
    pack: str
    label: str
    reference: str
    credits: int
    left: Annotated[int, Meta(description="Credits of it that are left.")]
    granted: Annotated[str, Meta(description="UTC, to the second.")]


class KeyActor(Struct, frozen=True, kw_only=True):
    """Operator's key as the audit names it."""

    name: str
    remote_ip: str


def pack_answer(granted: GrantedPack, packs: Mapping[str, Pack]) -> PackAnswer:
    """Makes the answer of a granted pack; one that is not offered any more has its name as label."""
    return PackAnswer(
        id=granted.id,
        tenant_id=granted.tenant_id,
        pack=granted.name,
        label=packs[granted.name].label if granted.name in packs else granted.name,
        reference=granted.reference,
        credits=granted.credits,
        left=granted.left,
        granted=utc_text(granted.granted_at),
    )
