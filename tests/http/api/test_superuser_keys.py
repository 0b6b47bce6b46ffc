"""Service keys over the API."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from api_client import ApiWorld, Caller
from api_faults import FORBIDDEN, MISSING, kind, plain, typed
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from quayframe.data.tables import EventRow, ServiceKey

KEY = {
    "name", "kid", "service", "jwk", "metadata", "created_date", "expiration_date", "rotation_duration",
    "approval",
}  # fmt: skip


@pytest.fixture
def root(api: ApiWorld) -> Caller:
    return api.admin


def make(root: Caller, **more: Any) -> dict[str, Any]:
    result = root.post("superuser/keys", {"service": "builder", "expiration": None} | more)
    assert result.status_code == 200, result.text
    made: dict[str, Any] = result.json
    return made


def test_a_key_is_made_whose_halves_fit(root: Caller) -> None:
    made = make(root, name="my key", notes="for CI", metadata={"team": "x", "creator": "somebody else"})
    assert set(made) == {"kid", "name", "service", "public_key", "private_key"}
    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    private = load_pem_private_key(made["private_key"].encode(), None)
    public = load_pem_public_key(made["public_key"].encode())
    assert isinstance(private, rsa.RSAPrivateKey)
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(private.sign(b"x", padding.PKCS1v15(), SHA256()), b"x", padding.PKCS1v15(), SHA256())

    shown = root.get(f"superuser/keys/{made['kid']}").json
    assert set(shown) == KEY
    assert set(shown["jwk"]) == {"e", "kid", "kty", "n"}
    modulus = int.from_bytes(base64.urlsafe_b64decode(shown["jwk"]["n"] + "=="), "big")
    assert modulus == public.public_numbers().n
    assert shown["metadata"].pop("ip") is not None
    assert shown["metadata"] == {"team": "x", "created_by": "Quay Superuser Panel", "creator": "admin"}
    assert (shown["name"], shown["service"]) == ("my key", "builder")
    assert (shown["expiration_date"], shown["rotation_duration"]) == (None, None)
    assert shown["created_date"].endswith(" GMT")
    approval = shown["approval"]
    assert set(approval) == {"approval_type", "approved_date", "approver", "notes"}
    assert approval["approval_type"] == "ServiceKeyApprovalType.SUPERUSER"
    assert approval["approver"]["username"] == "admin"
    assert approval["notes"] == "for CI"


def test_the_private_half_is_never_shown_again(api: ApiWorld, root: Caller) -> None:
    made = make(root)
    private = made["private_key"].splitlines()[1]

    assert private not in root.get("superuser/keys").text
    assert private not in root.get(f"superuser/keys/{made['kid']}").text
    columns = [ServiceKey.jwk, ServiceKey.metadata, ServiceKey.notes]
    assert private not in str(api.registry.db.rows(ServiceKey.select(*columns)))


def test_the_registrys_own_key_is_approved_by_nobody(api: ApiWorld, root: Caller) -> None:
    own = api.registry.keys.signing().kid
    (shown,) = [key for key in root.get("superuser/keys").json["keys"] if key["kid"] == own]

    assert shown["approval"]["approval_type"] == "ServiceKeyApprovalType.AUTOMATIC"
    assert (shown["approval"]["approver"], shown["approval"]["notes"]) == (None, "")
    assert shown["metadata"] == {}


@pytest.mark.parametrize("service", ["Builder", "my-service", "", "a b", "x" * 256])
def test_a_bad_service_is_told_plainly(root: Caller, service: str) -> None:
    status, text = plain(root.post("superuser/keys", {"service": service, "expiration": None}))

    assert status == 400
    assert "^[a-z0-9_]+$" in text


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"expiration": 1}, "Expiration date cannot be in the past"),
        ({"expiration": -1}, "Expiration date cannot be in the past"),
        ({"expiration": 10**300}, "the expiration date is out of range"),
        ({"expiration": "soon"}, None),
        ({"expiration": True}, None),
        ({"name": "a;b"}, None),
        ({"name": "x" * 256}, None),
        ({"metadata": []}, None),
    ],
)
def test_bad_values_are_told(root: Caller, more: dict[str, Any], text: str | None) -> None:
    result = root.post("superuser/keys", {"service": "builder", "expiration": None} | more)

    assert kind(result) == (400, "invalid_request")
    assert text is None or typed(result)[2] == text


def test_an_expiration_must_be_spoken_of(root: Caller) -> None:
    result = root.post("superuser/keys", {"service": "builder"})

    assert typed(result) == (400, "invalid_request", "'expiration' is a required property")


def test_a_key_is_changed(root: Caller) -> None:
    kid = make(root, metadata={"a": 1})["kid"]
    later = int(time.time()) + 3600
    changed = root.put(f"superuser/keys/{kid}", {"name": "new", "metadata": {"b": 2}, "expiration": later})

    assert changed.status_code == 200
    assert set(changed.json) == KEY
    assert (changed.json["name"], changed.json["metadata"]["a"], changed.json["metadata"]["b"]) == (
        "new",
        1,
        2,
    )
    assert changed.json["expiration_date"].endswith(" GMT")
    assert root.put(f"superuser/keys/{kid}", {}).json == changed.json
    assert root.put(f"superuser/keys/{kid}", {"expiration": None}).json["expiration_date"] is None
    past = root.put(f"superuser/keys/{kid}", {"expiration": 5})
    assert typed(past) == (400, "invalid_request", "Cannot have an expiration date in the past")


def test_a_key_is_taken_away(root: Caller) -> None:
    kid = make(root)["kid"]
    assert root.delete(f"superuser/keys/{kid}").status_code == 204

    for result in (
        root.delete(f"superuser/keys/{kid}"),
        root.get(f"superuser/keys/{kid}"),
        root.put(f"superuser/keys/{kid}", {}),
        root.post(f"superuser/approvedkeys/{kid}", {}),
    ):
        assert kind(result) == MISSING


def test_a_key_is_approved_once(api: ApiWorld, root: Caller) -> None:
    kid = make(root, notes="first")["kid"]
    change = ServiceKey.update(approved_ms=None, approver=None, approval_type=None, notes=None)
    api.registry.db.write(lambda tx: tx.run(change.where(ServiceKey.kid == kid)))
    assert root.get(f"superuser/keys/{kid}").json["approval"] is None

    for notes in ("seen", "again"):
        result = root.post(f"superuser/approvedkeys/{kid}", {"notes": notes})
        assert (result.status_code, result.content) == (201, b"")

    assert root.get(f"superuser/keys/{kid}").json["approval"]["notes"] == "seen"


def test_keys_are_for_superusers(api: ApiWorld, root: Caller) -> None:
    ann = api.user("ann")

    assert typed(ann.get("superuser/keys")) == FORBIDDEN
    assert typed(ann.post("superuser/keys", {"service": "builder", "expiration": None})) == FORBIDDEN


def test_what_was_done_to_keys_is_in_the_log(api: ApiWorld, root: Caller) -> None:
    kid = make(root)["kid"]
    root.put(f"superuser/keys/{kid}", {"name": "new", "expiration": int(time.time()) + 60})
    root.delete(f"superuser/keys/{kid}")
    rows = api.registry.db.rows(
        EventRow.select(EventRow.kind).where(EventRow.kind.startswith("service_key")).order_by(EventRow.id)
    )

    assert [k.removeprefix("service_key_") for (k,) in rows] == [
        "create",
        "approve",
        "extend",
        "modify",
        "delete",
    ]
