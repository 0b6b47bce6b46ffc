"""The configuration as the API tells it."""

from __future__ import annotations

from config_models import Read
from test_config_show import ENV, SECRETS

from quayframe.config import told


def test_secrets_are_stars_and_their_length(read: Read) -> None:
    known, unknown = told(read(SECRETS + "DATABASE_SECRET_KEY: a-rather-long-one\n", ENV))

    assert "hunter2" not in str(known) + str(unknown)
    assert known["SECRET_KEY"] == "******* (7)"
    assert known["DATABASE_SECRET_KEY"] == "********** (17)"
    assert known["DB_CONNECTION_ARGS"] == {"password": "******* (7)", "sslmode": "require"}
    assert known["DISTRIBUTED_STORAGE_CONFIG"]["a"] == [
        "S3Storage",
        {"s3_bucket": "bucket", "s3_secret_key": "******* (7)", "opaque": "******* (7)"},
    ]
    assert known["LDAP_ADMIN_PASSWD"] == known["DOCUMENTATION_ROOT"] == "******* (7)"
    assert known["SUPER_USERS"] == ["root"]


def test_unknown_keys_are_told_apart(read: Read) -> None:
    known, unknown = told(read(SECRETS, ENV))

    assert unknown == {"UNKNOWN_THING_OF_OURS": {"api_key": "******* (7)"}}
    assert "UNKNOWN_THING_OF_OURS" not in known
    assert known["SECURITY_SCANNER_V4_PSK"] == "******* (7)"
