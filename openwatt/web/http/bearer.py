"""Whether a request brings a token, checked in the same time whatever it brings."""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bearer:
    """The hash of a token that requests bring as `Authorization: Bearer …` (RFC 6750)."""

    token_sha256: bytes

    @classmethod
    def of(cls, token: str) -> "Bearer":
        """The same of the token itself."""
        return cls(_digest(token))

    def admits(self, authorization: str) -> bool:
        """Whether a request's header holds the token; it takes as long whatever it holds."""
        scheme, _, token = authorization.partition(" ")
        # Hashes have one length: comparing what was sent would tell how long the token is.
        same = hmac.compare_digest(_digest(token), self.token_sha256)
        return same and scheme.lower() == "bearer"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
