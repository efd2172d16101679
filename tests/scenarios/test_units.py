"""Durations and sizes: exact, with a unit, and refused with advice when not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.units import (
    DURATION,
    SIZE,
    Dimension,
    UnitError,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

INT64 = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("60s", 60_000_000_000),
        ("10ms", 10_000_000),
        ("3us", 3_000),
        ("3µs", 3_000),
        ("3\N{GREEK SMALL LETTER MU}s", 3_000),
        ("500ns", 500),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1.5s", 1_500_000_000),
        (" 0.000000001 s ", 1),
        ("0s", 0),
    ],
)
def test_a_duration_is_exact_nanoseconds(text: str, nanoseconds: int) -> None:
    """Every unit, with and without a fraction, gives the exact integer."""
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("4GiB", 2**32), ("512MiB", 2**29), ("1KiB", 1024), ("100B", 100), ("1GB", 10**9), ("0.5KiB", 512)],
)
def test_a_size_is_exact_bytes(text: str, size_bytes: int) -> None:
    """Binary units are powers of 1024, decimal ones of 1000."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (60, "60 has no unit; write 60s, 60ms ..."),
        ("60", "60 has no unit; write 60s, 60ms ..."),
        (1.5, "1.5 has no unit; write 1.5s, 1.5ms ..."),
        ("10 MB", "10 MB: MB is not a unit of a duration (known: ns, us, ms, s, min, h)"),
        ("10m", "10m: m is not a unit of a duration; did you mean ms or min? (known: ns, us, ms, s, min, h)"),
        ("5seconds", "5seconds: seconds is not a unit of a duration; did you mean s?"),
        ("-3s", "-3s is negative; a duration is 0 or more"),
        ("1.5ns", "1.5ns is not a whole number of nanoseconds"),
        ("nan", "nan is not a duration; write 10s, 10ms ..."),
        (float("nan"), "nan is not a duration"),
        (float("inf"), "inf is not a duration"),
        (True, "true is not a duration"),
        (None, "nothing is not a duration"),
        (["1s"], "a list is not a duration"),
        ({"s": 1}, "a mapping is not a duration"),
        ("", "'' is not a duration"),
        ("1e3s", "1e3s: e3s is not a unit"),
        (
            "300000000000h",
            "300000000000h is too large; a duration is at most 9223372036854775807 nanoseconds",
        ),
        ("9" * 5000 + "s", "... is not a duration"),
        ("\N{ARABIC-INDIC DIGIT THREE}s", "is not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_advice(value: object, message: str) -> None:
    """The message names the text and says what would be right."""
    with pytest.raises(UnitError) as caught:
        parse_duration(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (4, "4 has no unit; write 4MiB, 4GiB ..."),
        ("4gib", "4gib: gib is not a unit of a size; did you mean GiB?"),
        ("10K", "10K: K is not a unit of a size; did you mean kB or KiB?"),
        ("10ms", "10ms: ms is not a unit of a size (known: B, kB, KiB"),
        ("0.5B", "0.5B is not a whole number of bytes"),
    ],
)
def test_what_is_no_size_is_refused_with_advice(value: object, message: str) -> None:
    """Sizes are held to the same rules with their own units."""
    with pytest.raises(UnitError) as caught:
        parse_size(value)
    assert message in str(caught.value)


@given(INT64)
def test_formatting_a_duration_reads_back(nanoseconds: int) -> None:
    """Nothing is lost on the way to text and back."""
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@given(INT64)
def test_formatting_a_size_reads_back(size_bytes: int) -> None:
    """Nothing is lost on the way to text and back."""
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(
    st.sampled_from([DURATION, SIZE]),
    st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False),
    st.data(),
)
def test_a_decimal_is_its_exact_product_or_refused(
    dimension: Dimension, number: Decimal, data: st.DataObject
) -> None:
    """A value is number times unit exactly; where that is not whole it is refused, never rounded."""
    unit = data.draw(st.sampled_from(sorted(dimension.units)))
    exact = Decimal(number) * dimension.units[unit]
    text = f"{number:f}{unit}"
    if exact == int(exact) and exact < 2**63:
        assert dimension.parse(text) == int(exact)
    else:
        with pytest.raises(UnitError):
            dimension.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_size_or_a_unit_error(text: str) -> None:
    """No text makes the reader fail otherwise."""
    try:
        size_bytes = parse_size(text)
    except UnitError:
        return
    assert 0 <= size_bytes < 2**63


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0s"), (1_500_000_000, "1500ms"), (60_000_000_000, "1min"), (1, "1ns")]
)
def test_a_duration_is_shown_in_its_largest_whole_unit(value: int, text: str) -> None:
    """Texts are short and need no fraction."""
    assert format_duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2**30, "1GiB"), (10**9, "1GB"), (1536, "1536B"), (3072, "3KiB")]
)
def test_a_size_is_shown_in_its_largest_whole_unit(value: int, text: str) -> None:
    """Binary and decimal sizes both come back as people write them."""
    assert format_size(value) == text
