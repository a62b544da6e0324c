"""JWT providers, and tokens of theirs that are good or bad in one way each (RFC 7519, signed with HS256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, NamedTuple

__all__ = ["CLAIMS", "PROVIDERS", "QUALITIES", "Token", "provider_entry"]

PROVIDERS = ("okta", "house")
"""The first takes tokens where most clients put them, the second from a header of its own."""

CLAIMS = {"house": [{"Path": ["role"], "Value": "admin"}]}
"""What intentions ask of a provider's tokens, always: the model says that a token is needed, not what is in it."""

QUALITIES = ("good", "good", "good", "expired", "forged", "another issuer", "another role")
_KEYS = {name: hashlib.sha256(name.encode()).digest() for name in PROVIDERS}


class Token(NamedTuple):
    """A token and what is wrong with it; ``good`` if nothing is."""

    provider: str
    quality: str = "good"

    @property
    def good(self) -> bool:
        return self.quality == "good" or (self.quality == "another role" and self.provider not in CLAIMS)

    @property
    def line(self) -> tuple[str, str]:
        """The header that bears it."""
        key = b"forged" if self.quality == "forged" else _KEYS[self.provider]
        payload = {
            "iss": "elsewhere" if self.quality == "another issuer" else self.provider,
            "exp": int(time.time()) + (-3600 if self.quality == "expired" else 3600),
            "role": "guest" if self.quality == "another role" else "admin",
        }
        signed = f"{_text({'alg': 'HS256', 'kid': self.provider})}.{_text(payload)}"
        token = f"{signed}.{_base64(hmac.digest(key, signed.encode(), 'sha256'))}"
        return ("Authorization", f"Bearer {token}") if self.provider == PROVIDERS[0] else ("X-Token", token)


def provider_entry(name: str) -> dict[str, Any]:
    """The config entry of a provider."""
    key = {"kty": "oct", "alg": "HS256", "kid": name, "k": _base64(_KEYS[name])}
    keys = base64.b64encode(json.dumps({"keys": [key]}).encode()).decode()
    own = {} if name == PROVIDERS[0] else {"Locations": [{"Header": {"Name": "X-Token"}}]}
    return {"Kind": "jwt-provider", "Name": name, "Issuer": name, "JSONWebKeySet": {"Local": {"JWKS": keys}}, **own}


def _text(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
