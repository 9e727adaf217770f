"""The command line: `chat`. Only click is imported until a command runs, so `--help` is quick."""

import logging
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chatwire import __version__

if TYPE_CHECKING:
    from chatserver.settings import Settings

_ELSEWHERE = {
    "connect": ("chatclient.cli.connect", "Log in to a server and chat."),
    "send": ("chatclient.cli.send", "Send one message and end, for cron and scripts."),
    "open": ("chatclient.cli.open", "Open the page of a server in a browser."),
    "tail": ("chatclient.cli.tail", "Follow the chat as lines, for logs and scripts."),
    "adduser": ("chatserver.cli.accounts", "Add accounts."),
    "passwd": ("chatserver.cli.accounts", "Change an account's password."),
    "deluser": ("chatserver.cli.accounts", "Delete accounts."),
    "users": ("chatserver.cli.accounts", "List the accounts."),
    "role": ("chatserver.cli.accounts", "Make an account an admin, or a member again."),
    "devices": ("chatserver.cli.devices", "List or log out the browsers of an account."),
    "ca": ("chatserver.cli.ca", "Make an authority, so that phones trust the server."),
    "rooms": ("chatserver.cli.rooms", "List all rooms, closed ones too."),
    "backup": ("chatserver.cli.archive", "Copy the data folder, also while the server runs."),
    "restore": ("chatserver.cli.archive", "Put a backup into an empty data folder."),
    "export": ("chatserver.cli.archive", "Write messages out as JSON lines or text."),
}
"""Commands whose module is imported when they are asked for, and what `--help` says of them."""


_FUNCTIONS = {"open": "open_"}
"""Those whose name is taken in Python."""


class _Text(click.types.StringParamType):
    """A text is UTF-8, whatever the locale: what it is not must not be sent as something else."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from chatwire.sections import utf8  # noqa: PLC0415

        try:
            return utf8(value)
        except ValueError:
            self.fail("it is not UTF-8.", param, ctx)


def _with_texts(command: click.Command) -> click.Command:
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = _Text()
    return command


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            found = super().get_command(ctx, cmd_name)
            return None if found is None else _with_texts(found)
        command: click.Command = getattr(
            import_module(_ELSEWHERE[cmd_name][0]), _FUNCTIONS.get(cmd_name, cmd_name)
        )
        return _with_texts(command)

    def format_commands(  # the context is click's
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without importing those that are elsewhere."""
        rows = [(name, each.get_short_help_str(80)) for name, each in self.commands.items()]
        rows += [(name, summary) for name, (_, summary) in _ELSEWHERE.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chat")
def main() -> None:
    """A private chat for a team, a class or a home lab."""
    os.umask(0o077)  # whatever a command makes is for its owner alone
    # The command has been imported, and from here on cleans up after itself (see `__main__`).
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def fail(text: str) -> NoReturn:
    """End with one line on standard error and exit code 1."""
    click.echo(f"chat: {text}", err=True)
    sys.exit(1)


def data_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add --data and --config, which every command on the server's side takes."""
    command = click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="CHAT_CONFIG",
        help="Read settings from this TOML file.",
    )(command)
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar="CHAT_DATA",
        help="Folder for accounts and messages.  [default: your user data folder]",
    )(command)


def data_folder(data: Path | None) -> Path:
    """Return the data folder: as given, or the platform's own place for user data."""
    if data is not None:
        return data
    from platformdirs import user_data_path  # noqa: PLC0415

    try:
        folder = user_data_path("chat", appauthor=False)
    except RuntimeError:  # no HOME, and an account that the system does not know
        folder = Path()
    if not folder.is_absolute():
        raise click.UsageError("There is no home folder to keep the data in: pass --data.")
    return folder


def settings_from(config: Path | None, **server: object) -> "Settings":
    """Return the settings, or end with a usage error that names what is wrong with them."""
    from chatserver.settings import load_settings  # noqa: PLC0415
    from chatwire.sections import SettingsError, variables  # noqa: PLC0415

    given = {name: value for name, value in server.items() if value is not None}
    try:
        environ = variables(os.environ)
        for short in ("HOST", "PORT"):
            if f"CHAT_{short}" in environ:
                environ.setdefault(f"CHAT_SERVER_{short}", environ[f"CHAT_{short}"])
        return load_settings(config, environ, {"server": given})
    except SettingsError as error:
        click.echo(f"chat: {error}", err=True)
        sys.exit(2)


@main.command()
@click.option("--host", help="Address to listen on.  [default: all]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: 4119]"
)
@data_option
@click.option("--quiet", is_flag=True, help="Log warnings only.")
def serve(
    host: str | None, port: int | None, data: Path | None, config: Path | None, quiet: bool
) -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    # Before the slow imports, so that an early Ctrl-C is as clean as a late one.
    # The system may deliver a signal to any thread, and then nothing wakes this one out of a wait;
    # but Python writes to the wakeup descriptor from whichever thread it is.
    asked_to_stop, ask_to_stop = os.pipe()
    os.set_blocking(ask_to_stop, False)
    signal.set_wakeup_fd(ask_to_stop, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_it_to_the_pipe)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which asks others to read their settings again
    settings = settings_from(config, host=host, port=port)
    from chatserver.app import ChatServer, StartError  # noqa: PLC0415
    from chatserver.cli.progress import Progress  # noqa: PLC0415
    from chatserver.net.certificate import fingerprint  # noqa: PLC0415
    from chatserver.system.allocator import settle, share_heaps  # noqa: PLC0415
    from chatserver.system.processors import gather  # noqa: PLC0415

    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s [%(threadName)s] %(message)s",
    )
    share_heaps()
    gather()
    folder = data_folder(data)
    progress = Progress("chat.db is brought to the version of this program")
    try:
        server = ChatServer(settings, folder, progress=progress)
    except StartError as error:
        progress.finish(done=False)
        fail(str(error))
    progress.finish()
    settle()
    server.start()
    click.echo(f"chat {__version__} listening on {server.place}, data in {folder}")
    if settings.web.enabled:
        click.echo(f"The page for browsers: {server.page}")
    click.echo(f"TLS certificate SHA-256 fingerprint: {fingerprint(server.certificate)}")
    if not server.accounts.all():
        where = "" if data is None else f" --data {data}"
        click.echo(f"There are no accounts yet; add one with: chat adduser{where} NAME")
    sys.stdout.flush()
    os.read(asked_to_stop, 1)
    server.stop()


def _leave_it_to_the_pipe(_number: int, _frame: object) -> None:
    """Take a signal; its byte is in the pipe already."""
