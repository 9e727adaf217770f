"""`python -m bench`: measure this machine's server and print a table."""

import statistics
import subprocess
import sys
import time

import click

from bench.flood import flood
from bench.past import past
from bench.server import running_server


@click.group()
def main() -> None:
    """Measure a real server process; each command prints medians of several rounds."""


@main.command(name="flood")
@click.option("--receivers", default=200, show_default=True)
@click.option("--senders", default=1, show_default=True)
@click.option("--messages", default=20_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def flood_command(receivers: int, senders: int, messages: int, rounds: int) -> None:
    """Deliveries a second while senders send as fast as they are answered."""
    results = [flood(receivers, senders, messages) for _ in range(rounds)]
    rates = [each.rate / 1e6 for each in results]
    cpu = statistics.median(each.generator_cpu for each in results)
    print(
        f"flood: {senders} senders, {receivers} receivers, {messages} messages:"
        f" median {statistics.median(rates):.2f} M deliveries/s"
        f" (min {min(rates):.2f}, max {max(rates):.2f}), generator {cpu:.0%} of a core"
    )


@main.command(name="past")
@click.argument("sizes", type=int, nargs=-1)
def past_command(sizes: tuple[int, ...]) -> None:
    """Login, history and search in databases of 1,000, 100,000 and 1,000,000 messages."""
    print("| messages | open | index made | login | history | search | rare search |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in sizes or (1000, 100_000, 1_000_000):
        times = past(size)
        print(
            f"| {size:,} | {times.opened:.2f} s | {times.indexed:.1f} s | {times.login:.1f} ms"
            f" | {times.history:.1f} ms | {times.search:.1f} ms | {times.rare_search:.1f} ms |",
            flush=True,
        )


@main.command(name="startup")
@click.option("--rounds", default=7, show_default=True)
def startup_command(rounds: int) -> None:
    """Seconds until `chat serve` listens and `chat --help` has answered."""
    for title, measure in (("chat serve listening", _serve), ("chat --help", _help)):
        seconds = [measure() for _ in range(rounds)]
        print(
            f"startup: {title}: median {statistics.median(seconds):.3f} s"
            f" (min {min(seconds):.3f}, max {max(seconds):.3f})"
        )


def _serve() -> float:
    started = time.monotonic()
    with running_server(["alice"]):
        return time.monotonic() - started


def _help() -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "chatserver", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - started


if __name__ == "__main__":
    main()
