"""How long the pause of a pooled changeover is, under load: ours, and beside it the same steps without any state of ours.

Runs of both take turns (docs/benchmarks.md). What happens beside it happens to ours only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.beside import Company, a_direct_writer, a_report, an_open_transaction, nobody  # noqa: E402 – the path first
from bench.measured import control_plane, home  # noqa: E402
from bench.orders import Seen, orders_at  # noqa: E402
from bench.ours import POOLED, Moved, Ours  # noqa: E402
from bench.reference_cutover import Reference  # noqa: E402

Rounds = list[tuple[Seen, Moved]]


def main() -> None:
    chosen = arguments()
    company: Company = chosen.company
    came: Counter[str] = Counter()
    mine: Rounds = []
    theirs: Rounds = []
    with home() as data, control_plane(data), Reference(chosen.synchronous_commit) as reference:
        ours = Ours(data)
        ours.prepare(chosen.synchronous_commit)
        for _ in range(chosen.rounds):
            with company(ours, came) as to:
                with orders_at(ours.config(POOLED), per_second=chosen.per_second) as seen:
                    moved = ours.move(to)
                mine.append((seen, moved))
            with orders_at(reference.url, per_second=chosen.per_second) as seen:
                moved = Moved(reference.move())
            theirs.append((seen, moved))
    report("changeover", mine)
    for what, times in came.items():
        print(f"  {what}: {times}")
    report("reference", theirs)
    print(f"median gap, ours by the reference's: {middle(mine) / middle(theirs):.2f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--per-second", type=int, default=1000)
    parser.add_argument("--synchronous-commit", choices=["on", "off"], default="on")
    beside = parser.add_mutually_exclusive_group()
    for option, company in (
        ("--reader", a_report),
        ("--idle-in-transaction", an_open_transaction),
        ("--direct-writer", a_direct_writer),
    ):
        beside.add_argument(option, dest="company", action="store_const", const=company, help=company.__doc__)
    parser.set_defaults(company=nobody)
    return parser.parse_args()


def middle(rounds: Rounds) -> float:
    return statistics.median(seen.longest_gap_ms for seen, _ in rounds)


def report(name: str, rounds: Rounds) -> None:
    gaps = sorted(seen.longest_gap_ms for seen, _ in rounds)
    print(f"{name}: longest gap between acknowledged orders, {len(rounds)} runs")
    print(f"  median {statistics.median(gaps):.0f} ms, best {gaps[0]:.0f}, worst {gaps[-1]:.0f}")
    failed, lost = sum(seen.failed for seen, _ in rounds), sum(seen.lost for seen, _ in rounds)
    print(f"  orders {sum(seen.acknowledged for seen, _ in rounds)}, failed {failed}, lost {lost}")
    print(f"  attempts at the pause: {sum(moved.attempts for _, moved in rounds)}")
    print("  phases, medians: " + ", ".join(f"{phase} {value:.1f}" for phase, value in phases_of(rounds).items()))


def phases_of(rounds: Rounds) -> dict[str, float]:
    return {phase: statistics.median(moved.phases[phase] for _, moved in rounds) for phase in rounds[0][1].phases}


if __name__ == "__main__":
    main()
