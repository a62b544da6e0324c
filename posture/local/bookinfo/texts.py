"""The sentences that people and checks look for when a call was refused. They are Bookinfo's own contract."""

from __future__ import annotations

__all__ = ["ERROR", "RATINGS_UNAVAILABLE", "SORRY"]

ERROR = "Error fetching product {}!"
SORRY = "Sorry, product {} are currently unavailable for this book."
RATINGS_UNAVAILABLE = "Ratings service is currently unavailable"
