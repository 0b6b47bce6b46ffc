"""Service keys as superusers keep them."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from quayframe.services.service_keys import Key

from . import needs
from .operation import Body, Call, Resource, operation
from .superuser_users import UserView, user_view
from .views import rfc2822_gmt


class CreateKeyBody(Body):
    """`expiration` in seconds since the epoch; null = never."""

    service: str
    expiration: float | None
    name: str = ""
    metadata: dict[str, Any] = {}
    notes: str = ""


class ChangeKeyBody(Body):
    name: str = ""
    metadata: dict[str, Any] = {}
    expiration: float | None = None


class ApproveKeyBody(Body):
    notes: str = ""


class ApprovalView(TypedDict):
    approval_type: str
    approved_date: str | None
    approver: UserView | None
    notes: str


class KeyView(TypedDict):
    """`jwk` is the public key; `rotation_duration` is always null."""

    name: str | None
    kid: str
    service: str
    jwk: dict[str, Any]
    metadata: dict[str, Any]
    created_date: str | None
    expiration_date: str | None
    rotation_duration: int | None
    approval: ApprovalView | None


class KeyList(TypedDict):
    keys: list[KeyView]


class MadeKey(TypedDict):
    """Both keys in PEM. The private one is shown this once."""

    kid: str
    name: str
    service: str
    public_key: str
    private_key: str


def _view(call: Call, key: Key) -> KeyView:
    approval: ApprovalView | None = None
    if key.approval is not None:
        approver = key.approval.approver
        approval = {
            "approval_type": f"ServiceKeyApprovalType.{key.approval.type}",
            "approved_date": rfc2822_gmt(key.approval.approved_ms),
            "approver": None if approver is None else user_view(call, approver),
            "notes": key.approval.notes,
        }
    return {
        "name": key.name,
        "kid": key.kid,
        "service": key.service,
        "jwk": key.jwk,
        "metadata": key.metadata,
        "created_date": rfc2822_gmt(key.created_ms),
        "expiration_date": rfc2822_gmt(key.expires_ms),
        "rotation_duration": None,
        "approval": approval,
    }


class ServiceKeys(Resource):
    path = "/api/v1/superuser/keys"

    @operation(
        "listServiceKeys",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=KeyList,
        feature="FEATURE_SUPER_USERS",
    )
    def get(self, call: Call) -> KeyList:
        """All service keys."""
        return {"keys": [_view(call, key) for key in call.registry.tenancy.service_keys.all()]}

    @operation(
        "createServiceKey",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=CreateKeyBody,
        answer=MadeKey,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call) -> MadeKey:
        """Makes a key, approved at once; its private half is shown this once."""
        body: CreateKeyBody = call.body
        made = call.registry.tenancy.service_keys.create(
            call.principal,
            body.service,
            expiration_s=body.expiration,
            name=body.name,
            metadata=body.metadata,
            notes=body.notes,
        )
        return {
            "kid": made.kid,
            "name": made.name,
            "service": made.service,
            "public_key": made.public_pem,
            "private_key": made.private_pem,
        }


class ServiceKey(Resource):
    path = "/api/v1/superuser/keys/{kid}"

    @operation(
        "getServiceKey",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=KeyView,
        feature="FEATURE_SUPER_USERS",
    )
    def get(self, call: Call, kid: str) -> KeyView:
        """One service key."""
        return _view(call, call.registry.tenancy.service_keys.get(kid))

    @operation(
        "updateServiceKey",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=ChangeKeyBody,
        answer=KeyView,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def put(self, call: Call, kid: str) -> KeyView:
        """Changes a key's name, metadata (merged into what is there) or expiration."""
        body: ChangeKeyBody = call.body
        values = {name: getattr(body, name) for name in body.model_fields_set}
        return _view(call, call.registry.tenancy.service_keys.change(call.principal, kid, values))

    @operation(
        "deleteServiceKey",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        status=204,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def delete(self, call: Call, kid: str) -> None:
        """Takes a key away: what it signed is refused."""
        call.registry.tenancy.service_keys.delete(call.principal, kid)


class ApprovedKey(Resource):
    path = "/api/v1/superuser/approvedkeys/{kid}"

    @operation(
        "approveServiceKey",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=ApproveKeyBody,
        status=201,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call, kid: str) -> None:
        """Lets a key be used; one that is approved already stays as it is."""
        call.registry.tenancy.service_keys.approve(call.principal, kid, call.body.notes)


RESOURCES = (ServiceKeys, ServiceKey, ApprovedKey)
