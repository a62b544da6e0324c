"""HTTP without TLS, to what listens on this machine.

Each of httpx's clients loads all authorities that the machine trusts, which takes 15 ms of CPU time; who speaks no TLS
needs none, and shouldn't trust any.
"""

import ssl

__all__ = ["NOBODY_TRUSTED"]

NOBODY_TRUSTED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
