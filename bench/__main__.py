"""`python -m bench`: measure real server processes, print tables, and keep them in the docs."""

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from bench import exchange, ngircd, report
from bench.server import CHAT
from bench.target import Target
from bench.works import WORKS, Work


def _targets() -> list[Target]:
    """Return this server, and ngIRCd where it is installed; say what is missing."""
    if exchange.program() is None:
        click.echo(exchange.NO_PROGRAM, err=True)
    if ngircd.program() is None:
        click.echo(ngircd.HOW_TO_INSTALL, err=True)
        return [CHAT]
    return [CHAT, ngircd.NGIRCD]


@click.group()
def main() -> None:
    """Measure this server, and ngIRCd in turns with it where it is installed.

    Without --save a work prints its table. With it the figures also go into docs/figures.json,
    docs/performance.md and docs/plots.
    """


def _measure(work: Work, targets: list[Target], *, save: bool) -> None:
    started = time.monotonic()
    figures = work.run(targets)
    click.echo(f"\n{work.name}, {time.monotonic() - started:.0f} s:\n")
    click.echo(report.table(work.name, figures))
    if save:
        report.save(work.name, figures)


def _command(kind: Any) -> click.Command:
    """Return the command of a work; its options are the work's fields."""

    def run(save: bool, **sizes: Any) -> None:
        _measure(kind(**sizes), _targets(), save=save)

    command: Callable[..., None] = run
    for each in reversed(fields(kind)):
        several = isinstance(each.default, tuple)
        command = click.option(
            f"--{each.name}",
            type=type(each.default[0] if isinstance(each.default, tuple) else each.default),
            default=each.default,
            multiple=several,
            show_default=True,
            help="May be given several times." if several else None,
        )(command)
    command = click.option("--save", is_flag=True, help="Keep the figures in docs/.")(command)
    return click.command(name=kind.name, help=kind.__doc__)(command)


for _kind in WORKS:
    main.add_command(_command(_kind))


@main.command(name="all")
def all_works() -> None:
    """Measure everything at its full size and keep it: what `make bench` does."""
    started = time.monotonic()
    targets = _targets()
    for kind in WORKS:
        _measure(kind(), targets, save=True)
    click.echo(f"All of it took {(time.monotonic() - started) / 60:.1f} minutes.")


@main.command()
@click.argument("names", nargs=-1)
def smoke(names: tuple[str, ...]) -> None:
    """Run every work (or those named) at its smallest: does it run, is every delivery counted?"""
    targets = _targets()
    for kind in WORKS:
        if not names or kind.name in names:
            started = time.monotonic()
            report.table(kind.name, kind.tiny().run(targets))
            click.echo(f"{kind.name}: fine ({time.monotonic() - started:.1f} s)")


@main.command(name="report")
def report_command() -> None:
    """Write docs/performance.md and the plots again from docs/figures.json."""
    report.write()


if __name__ == "__main__":
    main()
