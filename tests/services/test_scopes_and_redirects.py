"""What a scope string means, and where users may be sent back to."""

from __future__ import annotations

import pytest

from quayframe.services import redirects, scopes

CALLBACK = "https://app.example.com/cb"
LOCAL = "https://registry.example.com/oauth/localapp"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("repo:read", {"repo:read"}),
        ("repo:read user:read", {"repo:read", "user:read"}),
        (" repo:read,, user:read ,", {"repo:read", "user:read"}),
        ("repo:read repo:read", {"repo:read"}),
        ("repo:read nosuch", set()),
        ("REPO:READ", set()),
        ("direct_user_login", set()),
        ("repo:read\nuser:read", set()),
        ("", set()),
        (" , ", set()),
    ],
)
def test_one_unknown_scope_makes_the_whole_empty(text: str, found: set[str]) -> None:
    assert scopes.parse(text) == found


def test_stronger_scopes_of_repositories_imply_the_weaker_and_no_other_does() -> None:
    assert scopes.effective("repo:admin") == {"repo:read", "repo:write", "repo:admin"}
    assert scopes.effective("repo:write") == {"repo:read", "repo:write"}
    for name in scopes.SCOPES.keys() - {"repo:admin", "repo:write"}:
        assert scopes.effective(name) == {name}
    assert scopes.covers("repo:write", "repo:read")
    assert not scopes.covers("repo:read", "repo:write")
    assert not scopes.covers("org:admin user:admin super:user", "repo:read")


@pytest.mark.parametrize(
    ("uri", "registered", "may"),
    [
        (LOCAL, "", True),
        (CALLBACK, "", False),
        (CALLBACK, CALLBACK, True),
        (f"{CALLBACK}/a/b?c=d", CALLBACK, True),
        ("HTTPS://app.example.com/cb", CALLBACK, True),
        ("https://APP.example.com/cb", CALLBACK, False),
        ("https://app.example.com", "https://app.example.com", True),
        ("https://app.example.com/any", "https://app.example.com", True),
        ("https://app.example.com.evil.com", "https://app.example.com", False),
        ("https://app.example.com/a/../b", "https://app.example.com/a", False),
        ("https://app.example.com/x/../y", "https://app.example.com/x/.", False),
        ("https://app.example.com/a?x=/..", "https://app.example.com/a", False),
        ("https://app.example.com/cb", "https://app.example.com/cb?fixed=1", False),
        ("https://app.example.com/cb?fixed=1&more=2", "https://app.example.com/cb?fixed=1", True),
        ("https://app.example.com:443/cb", CALLBACK, False),
        ("myapp:/done", "myapp:/done", True),
        ("myapp://host/done", "myapp:/done", False),
        ("javascript:alert(1)", "javascript:alert(1)", False),
        ("data:text/html,x", "data:text/html,x", False),
        ("https:app.example.com/cb", "https:app.example.com/cb", False),
        ("https://[::1/cb", "https://[::1/cb", False),
        ("https://app.example.com:99999/", "https://app.example.com:99999/", False),
        (f"{CALLBACK}\t", CALLBACK, False),
        (f"{CALLBACK}/é", CALLBACK, False),
        (f"{CALLBACK}/{'a' * 3000}", CALLBACK, False),
    ],
)
def test_only_the_registered_address_and_what_is_below_is_led_to(
    uri: str, registered: str, may: bool
) -> None:
    assert redirects.matches(uri, registered, LOCAL) is may


def test_what_a_form_may_lead_to_is_one_source_of_a_policy() -> None:
    assert redirects.target("https://app.example.com:8443/cb?a=b") == "https://app.example.com:8443"
    assert redirects.target("https://a;b/cb") == "https:"
    assert redirects.target("myapp:/done") == "myapp:"
    assert redirects.target("javascript:alert(1)") == ""
