"""
Regions of arguments as a person would write them: arg0 == 38, arg1 in 2..10, arg0 & 0x8 != 0.
"""

from __future__ import annotations

from typing import List, Sequence

from tracer.profile.regions import Region, Span, Term

# How many numbers and intervals of one argument are spelt out.
_MOST_SPANS = 12


def region_text(region: Region) -> str:
    """Return a region in words, "" for any arguments."""
    return " and ".join(part for term in region for part in _parts(term))


def _parts(term: Term) -> List[str]:
    name = f"arg{term.index}"
    others = _others(term.spans)
    parts = []
    if others:
        texts = (
            _spans_text(name, term.spans, "in", "=="), _spans_text(name, others, "not in", "!=")
        )
        parts.append(min(texts, key=len))
    return parts + [
        f"{name} & {mask:#x} {'==' if equal else '!='} {hex(value) if value else 0}"
        for mask, value, equal in term.masks
    ]


def _others(spans: Sequence[Span]) -> List[Span]:
    """Return all other numbers."""
    others: List[Span] = []
    first = 0
    for start, last in spans:
        if start > first:
            others.append((first, start - 1))
        if last is None:
            return others
        first = last + 1
    return [*others, (first, None)]


def _spans_text(name: str, spans: Sequence[Span], within: str, equal: str) -> str:
    if len(spans) > 1:
        some = [_span_text(span) for span in spans[:_MOST_SPANS]]
        if len(spans) > len(some):
            some.append(f"{len(spans) - len(some)} more")
        return f"{name} {within} {{{', '.join(some)}}}"
    first, last = spans[0]
    if first == last:
        return f"{name} {equal} {first}"
    if within == "in" and first == 0:
        return f"{name} <= {last}"
    if within == "in" and last is None:
        return f"{name} >= {first}"
    return f"{name} {within} {_span_text(spans[0])}"


def _span_text(span: Span) -> str:
    first, last = span
    return str(first) if first == last else f"{first}..{'' if last is None else last}"
