"""The browsers in which an account stays logged in."""

from chatserver.commands.context import Context
from chatserver.commands.registry import DeviceNumber, command
from chatserver.errors import CommandError
from chatwire.protocol import timestamp
from chatwire.replies import Device, DevicesReply, Reply, RevokeReply


@command("access", "See in which browsers you are logged in.")
def devices(context: Context) -> Reply | None:
    """List the devices of the account, the last seen first."""
    me = context.me
    return DevicesReply(
        devices=tuple(
            Device(
                device=each.number,
                made=timestamp(each.made),
                seen=timestamp(each.seen),
                address=each.address,
                client=each.client,
                this=each.token == me.device,
            )
            for each in context.services.devices.of(me.account_id)
        )
    )


@command("access", "Log a browser out.")
def revoke(context: Context, device: DeviceNumber) -> Reply | None:
    """Log one of the account's devices out; its sessions are over when this is answered."""
    ended = context.services.devices.end(context.me.account_id, device)
    if not ended:
        raise CommandError(
            "no_such_device", f"You have no device {device}; type devices to see their numbers."
        )
    return RevokeReply(ended=ended)


COMMANDS = (devices, revoke)
