"""A signature as in Amazon's own example."""

from datetime import UTC, datetime

from pydantic import SecretStr

from mattermost_host.support import aws_signature
from mattermost_host.support.aws_signature import Keys

AT = datetime(2013, 5, 24, tzinfo=UTC)
SECRET = SecretStr("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
KEYS = Keys("AKIAIOSFODNN7EXAMPLE", SECRET, "us-east-1")
NAME = "examplebucket.s3.amazonaws.com"


def test_a_listing_is_signed_as_amazon_shows_it() -> None:
    """From "Signature Calculations for the Authorization Header", example "GET Bucket"."""
    query = {"prefix": "J", "max-keys": "2"}
    said = aws_signature.headers(KEYS, NAME, "/", query, AT)
    assert said["authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
    assert said["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
    )
    assert said["x-amz-date"] == "20130524T000000Z"


def test_path_and_query_have_one_spelling() -> None:
    assert aws_signature.asked("/a b/c", {"z": "1/2", "a": "x y"}) == "/a%20b/c?a=x%20y&z=1%2F2"
    assert aws_signature.asked("/chat", {}) == "/chat"
