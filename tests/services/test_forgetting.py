"""What refers to an account is taken away with it, or stays without it: no column is overlooked."""

from __future__ import annotations

import pytest

from quayframe.data import tables, tenancy
from quayframe.data.fields import Ref
from quayframe.data.table import Table
from quayframe.services import forgetting

OWNED = {
    ("account", "owner_id"),
    ("oauth_application", "organization_id"),
    ("prototype", "organization_id"),
    ("repository", "namespace_id"),
    ("repository_blob", "namespace_id"),
    ("team", "organization_id"),
}
"""What an account owns: not a robot's affair."""


def test_every_reference_to_an_account_is_decided_upon() -> None:
    classes = [
        value
        for module in (tables, tenancy)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Table) and value is not Table
    ]
    held = {
        (cls._meta.table_name, field.column_name)
        for cls in classes
        for field in cls._meta.fields.values()
        if isinstance(field, Ref) and field.to == "account" and not field.loose
    }
    decided = {
        (column.model._meta.table_name, column.column_name)
        for column in (*forgetting.GOES, *forgetting.STAYS)
    }

    assert held - OWNED == decided


@pytest.mark.parametrize("column", forgetting.STAYS)
def test_what_stays_may_be_null(column: Ref) -> None:
    assert column.null
