"""What lies between this machine and both servers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.changeovers.checks.fix_grounds import Ground, Pair, asked, results

from changeover.changeovers.checks import CHECKS
from changeover.changeovers.checks.asking import ask, opened
from changeover.changeovers.checks.checked import FIXED_S, LOADS_PER_S, PER_TABLE_S, Size, forecast
from changeover.changeovers.checks.line import measure
from changeover.changeovers.checks.look import Line


@pytest.mark.parametrize(
    ("id_", "line", "result"),
    [
        ("N3", Line((0.2,) * 11, 5e7, 0), "passed"),
        ("N3", Line((180.0,) * 11, 5e6, 0), "warning"),
        ("N3", Line(), "unknown"),
        ("N6", Line((0.2,) * 11, 5e7, -2), "passed"),
        ("N6", Line((0.2,) * 11, 5e7, 90), "warning"),
    ],
)
async def test_a_line_is_judged_by_what_was_measured(pair: Pair, id_: str, line: Line, result: str) -> None:
    async with opened(pair.source, None) as look:
        look.lines["source"] = line

        assert results(await ask(CHECKS[id_], look)) == [result]


async def test_a_line_is_measured_in_a_moment(pair: Pair) -> None:
    async with opened(pair.source, None) as look:
        line = await measure(look.source.connection)

    assert line.bytes_per_s is not None
    assert line.bytes_per_s > 1e6
    assert len(line.round_trips_ms) == 11
    assert line.clock_offset_s is not None
    assert abs(line.clock_offset_s) < 2


async def test_a_machine_without_a_pg_dump_as_new_as_the_source_fails_the_check(plain: Ground, pair: Pair) -> None:
    """A newer one does."""
    here = plain.installation
    older, newer = (replace(here, version=(here.version[0] + step, 0)) for step in (-1, 1))

    found = [results(await asked("N7", pair.source, offered=offered)) for offered in ([here], [newer], [older], [])]

    assert found == [["passed"], ["passed"], ["failed"], ["failed"]]


async def test_a_machine_without_a_pg_dump_as_new_as_the_target_is_told_that_it_compares_no_schemas(
    plain: Ground, pair: Pair, newer_pair: Pair
) -> None:
    (found,) = await asked("N7", pair.source, newer_pair.target, offered=[plain.installation])

    assert (found.result, "The schemas can't be compared" in found.what) == ("warning", True), found


@pytest.mark.parametrize(
    ("line_bytes_per_s", "seconds"), [(None, 1000), (10 * LOADS_PER_S, 1000), (LOADS_PER_S / 4, 4000)]
)
def test_a_forecast_goes_by_the_slower_of_line_and_target(line_bytes_per_s: float | None, seconds: float) -> None:
    size = Size(
        bytes=0, table_bytes=1000 * LOADS_PER_S, index_bytes=0, tables=0, biggest=(), limit_bytes=1, is_over_limit=True
    )

    assert forecast(size, line_bytes_per_s).downtime_s == seconds + FIXED_S


def test_a_forecast_counts_tables_however_few_rows_they_have() -> None:
    few, many = (
        forecast(
            Size(bytes=0, table_bytes=0, index_bytes=0, tables=tables, biggest=(), limit_bytes=1, is_over_limit=False),
            None,
        )
        for tables in (1, 5001)
    )

    assert many.downtime_s - few.downtime_s == pytest.approx(5000 * PER_TABLE_S)
    assert "for 5,001 tables of any size" in many.because
