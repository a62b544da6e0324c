"""The product page: two answers in, HTML out. Anything unexpected in an answer counts as that part's failure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from posture.local.bookinfo.texts import ERROR, RATINGS_UNAVAILABLE, SORRY

if TYPE_CHECKING:
    from posture.local.bookinfo.upstream import Answer

__all__ = ["PRODUCT", "render"]

PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": "Two brothers, twins, lost each other at sea as babies, and so did the twins who serve them. "
    "When all four turn up in Ephesus on one day, wives, merchants and guards keep taking one for another, until "
    "nobody can tell who is owed a dinner, a gold chain or a beating.",
}

FACTS = {
    "author": "Author",
    "year": "Year",
    "type": "Type",
    "pages": "Pages",
    "publisher": "Publisher",
    "language": "Language",
    "ISBN-10": "ISBN-10",
    "ISBN-13": "ISBN-13",
}
COLORS = ("black", "red")
MOST_STARS = 5

_TEMPLATE = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).get_template("productpage.html")


class _Failure(NamedTuple):
    error: str
    sorry: str
    outcome: str


@dataclass(frozen=True, slots=True)
class _Review:
    reviewer: str
    text: str
    stars: int | None
    color: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class _Reviews:
    served_by: str
    reviews: tuple[_Review, ...]


def render(details: Answer, reviews: Answer, *, user: str | None) -> str:
    """Return the page.

    Args:
        details: What came of asking `details`.
        reviews: What came of asking `reviews`.
        user: Who is signed in.

    Returns:
        HTML. A part that couldn't be had is an element of class `alert` with the contract's two sentences and
        the call's outcome; stars are elements of class `stars black` or `stars red`.
    """
    return _TEMPLATE.render(
        product=PRODUCT,
        user=user,
        facts=_facts(details.body) if details.status == HTTPStatus.OK else None,
        details_failure=_failure("details", details),
        reviews=_reviews(reviews.body) if reviews.status == HTTPStatus.OK else None,
        reviews_failure=_failure("reviews", reviews),
        most_stars=MOST_STARS,
    )


def _failure(part: str, answer: Answer) -> _Failure:
    return _Failure(ERROR.format(part), SORRY.format(part), answer.outcome)


def _facts(body: object) -> list[tuple[str, str]] | None:
    if not isinstance(body, dict):
        return None
    return [(label, str(body[key])) for key, label in FACTS.items() if key in body] or None


def _reviews(body: object) -> _Reviews | None:
    if not isinstance(body, dict) or not isinstance(body.get("reviews"), list):
        return None
    try:
        return _Reviews(str(body["podname"]), tuple(map(_review, body["reviews"])))
    except (KeyError, TypeError):  # not the shape that reviews promises
        return None


def _review(review: dict[str, object]) -> _Review:
    reviewer, text, rating = str(review["reviewer"]), str(review["text"]), review.get("rating")
    if rating is None:
        return _Review(reviewer, text, None, None, None)
    stars, color = (rating.get("stars"), rating.get("color")) if isinstance(rating, dict) else (None, None)
    if isinstance(stars, int) and 1 <= stars <= MOST_STARS and color in COLORS:
        return _Review(reviewer, text, stars, color, None)
    return _Review(reviewer, text, None, None, RATINGS_UNAVAILABLE)
