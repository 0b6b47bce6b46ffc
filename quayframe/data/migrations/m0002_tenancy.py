"""People, organizations, applications."""
# ruff: noqa: S106 - the values are types of columns

from .schema import Schema


def apply(s: Schema) -> None:
    _columns(s)
    _people(s)
    _oauth(s)


def _columns(s: Schema) -> None:
    account = {
        "session_epoch": "int=0", "invoice_email": "flag=0", "invoice_email_address": "name?",
        "contact_email": "name?", "given_name": "name?", "family_name": "name?", "company": "name?",
        "location": "name?", "prompts": "text?", "metadata": "text?", "federation": "text?",
    }  # fmt: skip
    key = {"approver_id": "int?", "approval_type": "name?", "notes": "text?", "metadata": "text?"}
    tables = {
        "account": account,
        "repository": {"badge_token": "name?", "trust_enabled": "flag=0"},
        "service_key": key,
        "token": {"application_id": "int?", "creator_id": "int?"},
    }
    for table, columns in tables.items():
        for name, spec in columns.items():
            s.column(table, name, spec)
    s.index("account", "kind")
    s.index("account", "owner_id")
    s.index("token", "uuid", unique=True)
    s.index("token", "application_id")
    s.index("permission", "team_id")
    s.index("team_member", "team_id")
    # A namespace's list, page by page in the order of making.
    s.index("repository", "namespace_id", "id")


def _people(s: Schema) -> None:
    s.table("star", account_id="ref:account", repository_id="ref:repository", created_ms="time")
    s.index("star", "account_id", "repository_id", unique=True)
    s.index("star", "repository_id")
    s.table(
        "prototype",
        uuid="name", organization_id="ref:account", activating_id="ref:account?",
        delegate_account_id="ref:account?", delegate_team_id="ref:team?", role="name",
    )  # fmt: skip
    s.index("prototype", "uuid", unique=True)
    s.index("prototype", "organization_id")
    s.table(
        "team_invite",
        lookup="name", code="text", team_id="ref:team", account_id="ref:account?", email="name?",
        inviter_id="int?", created_ms="time",
    )  # fmt: skip
    s.index("team_invite", "lookup", unique=True)
    s.index("team_invite", "team_id", "account_id", unique=True)
    s.index("team_invite", "team_id", "email", unique=True)
    s.table(
        "confirmation",
        lookup="name", account_id="ref:account", kind="name", email="name?", created_ms="time",
        expires_ms="time?",
    )  # fmt: skip
    s.index("confirmation", "lookup", unique=True)
    s.index("confirmation", "account_id")
    s.table("ended_session", ident="name", expires_ms="time")
    s.index("ended_session", "ident", unique=True)
    s.index("ended_session", "expires_ms")
    s.table(
        "global_message", uuid="name", content="text", media_type="name", severity="name", created_ms="time"
    )
    s.index("global_message", "uuid", unique=True)
    s.table(
        "registry_size",
        key="name", size_bytes="int=0", last_ran_ms="time?", queued="flag=0", running="flag=0",
    )  # fmt: skip
    s.index("registry_size", "key", unique=True)


def _oauth(s: Schema) -> None:
    s.table(
        "oauth_application",
        client_id="name", organization_id="ref:account", name="text", description="text",
        application_uri="text", redirect_uri="text", avatar_email="name?", secret="text", created_ms="time",
    )  # fmt: skip
    s.index("oauth_application", "client_id", unique=True)
    s.index("oauth_application", "organization_id")
    s.table(
        "oauth_code",
        lookup="name", application_id="ref:oauth_application", account_id="ref:account", scope="text",
        redirect_uri="text", expires_ms="time",
    )  # fmt: skip
    s.index("oauth_code", "lookup", unique=True)
    s.table(
        "oauth_assignment",
        uuid="name", application_id="ref:oauth_application", account_id="ref:account",
        redirect_uri="text", scope="text", response_type="name",
    )  # fmt: skip
    s.index("oauth_assignment", "uuid", unique=True)
    s.index("oauth_assignment", "account_id")
