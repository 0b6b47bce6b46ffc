import pytest

from quayframe.oci import media


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ""),
        ("", ""),
        ("Application/JSON; charset=utf-8", "application/json"),
        (f" {media.OCI_INDEX} ", media.OCI_INDEX),
    ],
)
def test_content_type_is_lower_case_without_parameters(header: str | None, expected: str) -> None:
    assert media.parse_content_type(header) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, True),
        ("", True),
        (" , ", True),
        ("*/*", True),
        ("application/*", True),
        ("image/*", False),
        (media.OCI_INDEX, True),
        (media.OCI_INDEX.upper(), True),
        (media.OCI_INDEX + "x", False),
        (media.OCI_MANIFEST, False),
        ("application/json", False),
        (f"{media.OCI_MANIFEST}, {media.OCI_INDEX}", True),
        (f"{media.OCI_MANIFEST},{media.OCI_INDEX};q=0.1", True),
        (f"{media.OCI_INDEX};q=0, */*", False),
        (f"*/*;q=0.5, {media.OCI_INDEX} ; q=0.000", False),
        ("*/*;q=0", False),
        (f"{media.OCI_INDEX};q=rubbish", True),
        (f'text/x;a=",{media.OCI_INDEX},"', False),
        ("x/y, " * 1000 + media.OCI_INDEX, True),
        ("x/y, " * 1000, False),
    ],
)
def test_accept_is_read_as_rfc_9110_says(accept: str | None, expected: bool) -> None:
    assert media.accepts(accept, media.OCI_INDEX) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (media.OCI_MANIFEST, True),
        ("text/spdx+json", True),
        ("a/b", True),
        ("", False),
        ("a", False),
        ("a/", False),
        ("a/b/c", False),
        ("a/b;c=d", False),
        ("a/b\n", False),
        ("a/" + "b" * 128, False),
    ],
)
def test_media_types_are_type_and_subtype(text: str, expected: bool) -> None:
    assert media.is_media_type(text) is expected
