"""A matrix for pull requests and wikis: callers across, requests down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.limit_words import limit_words
from posture.report.markdown import code, plain, row

if TYPE_CHECKING:
    from posture.model.matrix import Matrix, Row

__all__ = ["matrix_markdown"]


def matrix_markdown(matrix: Matrix) -> str:
    """A table; ✅ is allowed, ❌ denied though the application declares the call, · denied. Then the limits."""
    lines = [f"### Who may call whom under `{matrix.posture}`", ""]
    lines.append(row("destination", "request", *matrix.sources))
    lines.append(row("---", "---", *(":-:" for _ in matrix.sources)))
    for sample, answers in matrix.rows.items():
        request = code(f"{sample.method} {sample.path}")
        lines.append(row(sample.destination, request, *(_sign(matrix, answers, source) for source in matrix.sources)))
    lines += ["", f"✅ allowed · ❌ denied though declared · `·` denied (default {matrix.access.default})"]
    limits = [
        f"- {service}: {plain(words)}" for service, each in matrix.access.limits.items() for words in limit_words(each)
    ]
    return "\n".join([*lines, *(["", "**Limits**", "", *limits] if limits else [])])


def _sign(matrix: Matrix, answers: Row, source: str) -> str:
    if source == answers.sample.destination:
        return ""
    if answers.of(source).allowed:
        return "✅"
    return "❌" if (source, answers.sample) in matrix.declared else "·"
