import pytest

from quayframe.errors import InvalidRequest, NameInvalid, TagInvalid
from quayframe.oci import names
from quayframe.oci.names import RepositoryName, Scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme/web", ("acme", "web")),
        ("acme/web/front-end/v1.0_x", ("acme", "web/front-end/v1.0_x")),
        ("acme.co-1/w", ("acme.co-1", "w")),
        ("web", ("library", "web")),
        ("acme/web/", ("acme", "web")),
        ("ab/" + "c" * 252, ("ab", "c" * 252)),
    ],
)
def test_a_path_is_namespace_and_name(text: str, expected: tuple[str, str]) -> None:
    found = names.repository_path(text)
    assert found == expected
    assert found.full == "/".join(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("/", "empty"),
        ("a//b", "empty segment"),
        ("/acme/web", "empty segment"),
        ("acme/web//", "empty segment"),
        ("acme/../web", r"contains \.\."),
        ("acme/we..b", r"contains \.\."),
        ("Acme/web", "lower case"),
        ("acme/Web", "lower case"),
        ("acme/.web", "begin with"),
        ("acme/we b", "begin with"),
        ("acme/web\n", "begin with"),
        ("acme/w\u00e9b", "begin with"),
        ("acme/%2f", "begin with"),
        ("-acme/web", "Namespace must match"),
        ("a/web", "between 2 and 255"),
        ("ab/" + "c" * 253, "longer than 255"),
        ("x" * 1_000_000, "longer than 255"),
    ],
)
def test_a_bad_path_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(NameInvalid, match=reason) as caught:
        names.repository_path(text)
    assert "\n" not in caught.value.text
    assert len(caught.value.text) < 300


def test_what_the_configuration_switches_off_is_refused() -> None:
    with pytest.raises(NameInvalid, match="no namespace"):
        names.repository_path("web", library=None)
    with pytest.raises(NameInvalid, match="slashes"):
        names.repository_path("acme/web/front", extended=False)
    assert names.repository_path("web", library="shared") == RepositoryName("shared", "web")


@pytest.mark.parametrize("text", ["latest", "_x", "v1.0-rc_2", "A", "0", "a" * 128])
def test_tags_of_the_grammar_pass(text: str) -> None:
    assert names.check_tag(text) == text


@pytest.mark.parametrize("text", ["", ".x", "-x", "a b", "a/b", "a:b", "a" * 129, "x\n", "\u00e9", "a@b"])
def test_other_tags_are_refused(text: str) -> None:
    assert not names.is_tag(text)
    with pytest.raises(TagInvalid):
        names.check_tag(text)


def test_a_bad_namespace_is_told_the_rule_it_breaks() -> None:
    assert names.check_namespace("acme-co") == "acme-co"
    with pytest.raises(NameInvalid) as caught:
        names.check_namespace("Acme")
    assert caught.value.text == (
        "Invalid namespace Acme: Namespace must match expression ^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"
    )
    for text in ("a", "a" * 256):
        with pytest.raises(NameInvalid, match=r"Invalid username .*between 2 and 255 characters"):
            names.check_namespace(text, what="username")


def test_a_robot_is_namespace_plus_short_name() -> None:
    robot = names.parse_robot("acme+ci")
    assert (robot.namespace, robot.short, robot.full) == ("acme", "ci", "acme+ci")
    assert names.is_robot("acme+")
    for bad in ("acme", "acme+", "+ci", "acme+c", "acme+ci+x", "Acme+ci"):
        with pytest.raises(NameInvalid):
            names.parse_robot(bad)


@pytest.mark.parametrize(
    ("text", "good"), [("12345678", True), ("1234567", False), ("1234 5678", False), ("", False)]
)
def test_a_password_has_eight_characters_and_no_whitespace(text: str, good: bool) -> None:
    assert names.is_password(text) is good
    if not good:
        with pytest.raises(InvalidRequest, match="at least 8 characters") as caught:
            names.check_password(text)
        assert not text or text not in caught.value.text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a@b.c", True),
        ("a+b@sub.example.org", True),
        ("a@b", False),
        ("@b.c", False),
        ("a@@b.c", False),
        ("a@b..c", False),
        ("a@.c", False),
        ("a@b.", False),
        ("a b@c.d", False),
        ("a" * 251 + "@b.c", False),
    ],
)
def test_an_address_has_one_at_and_a_domain_of_two_labels(text: str, good: bool) -> None:
    assert names.is_email(text) is good


HOST = "registry.example:5000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("repository:acme/web:pull", Scope("repository", "acme/web", "acme/web", ("pull",))),
        ("repository:web:pull,push,pull", Scope("repository", "web", "web", ("push", "pull"))),
        ("repository:web:push,pull,delete", Scope("repository", "web", "web", ("push", "pull"))),
        (f"repository:{HOST}/a/b:*", Scope("repository", f"{HOST}/a/b", "a/b", ("*",))),
        ("repository:Acme/Web:pull", Scope("repository", "Acme/Web", "Acme/Web", ("pull",))),
        (
            "repository:other.host/a/b:pull",
            Scope("repository", "other.host/a/b", "other.host/a/b", ("pull",)),
        ),
        ("registry:catalog:*", Scope("registry", "catalog", None, ("*",))),
    ],
)
def test_a_scope_names_repository_and_actions(text: str, expected: Scope) -> None:
    assert names.parse_scope(text, HOST) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "repository",
        "repository:a/b",
        "repository:a/b:",
        "repository:a/b:delete",
        "repository:a/b:pull,",
        "repository:a//b:pull",
        "repository:a/b!:pull",
        "repository:other.host:5000/a/b:pull",
        "repository:a/b:pull\n",
        "registry:catalog:pull",
        "repository:" + "a/" * 50_000 + ":pull",
    ],
)
def test_another_scope_is_an_invalid_request_that_repeats_it(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        names.parse_scope(text, HOST)
    assert caught.value.text == f"Unable to decode repository and actions: {text}"
