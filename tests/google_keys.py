"""Made-up keys of Google service accounts, and what is left of them when they are spoilt."""

from __future__ import annotations

from functools import cache


@cache
def a_private_key() -> str:
    """A private key that nobody else has ever seen, in the form of a key file."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def a_service_account(token_uri: str) -> dict[str, str]:
    """The content of a key file whose tokens come from this address."""
    return {
        "type": "service_account",
        "project_id": "acme-1",
        "private_key_id": "0001",
        "private_key": a_private_key(),
        "client_email": "reader@acme-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
