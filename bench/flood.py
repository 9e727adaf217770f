"""Flood: a few senders as fast as the server takes it, everybody else receives."""

import resource
import time
from dataclasses import dataclass

from bench.load import Client, Load
from bench.server import running_server

_TEXT = "the quick brown fox jumps over the lazy dog"
_WINDOW = 1000
"""Unanswered requests a sender has on the way: its own pace is set by the answers."""

_BURST = 100


@dataclass(frozen=True)
class Result:
    """What one flood came to. `generator_cpu` is the generator's share of one core."""

    deliveries: int
    seconds: float
    generator_cpu: float

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.seconds


def flood(receivers: int = 200, senders: int = 1, messages: int = 20_000) -> Result:
    """Have `senders` send `messages` in all to everybody; count every delivery."""
    names = [f"user{number}" for number in range(receivers + senders)]
    with running_server(names) as server:
        clients = [Client(server, name) for name in names]
        for client in clients:
            client.login()
        load = Load(clients)
        try:
            return _run(load, clients[:senders], clients[senders:], messages)
        finally:
            load.close()


def _run(load: Load, senders: list[Client], receivers: list[Client], messages: int) -> Result:
    each = messages // len(senders)
    total = each * len(senders)
    line = f'{{"op":"broadcast","id":1,"text":"{_TEXT}"}}\n'.encode()
    sent = dict.fromkeys(senders, 0)
    for sender in senders:
        sender.counts_replies = True
    receivers[0].kept = []

    def step() -> bool:
        for sender in senders:
            room = min(each - sent[sender], _WINDOW - (sent[sender] - sender.replies))
            if room >= _BURST or 0 < room == each - sent[sender]:
                count = min(room, _BURST)
                sender.send_bytes(line * count)
                sent[sender] += count
        return all(client.lines >= total for client in receivers)

    cpu = _cpu()
    started = time.monotonic()
    load.run_until(step, 120)
    seconds = time.monotonic() - started
    _check_order(b"".join(receivers[0].kept), total)
    return Result(total * len(receivers), seconds, (_cpu() - cpu) / seconds)


def _check_order(data: bytes, total: int) -> None:
    seqs = [int(line.split(b'"seq":', 1)[1].split(b",", 1)[0]) for line in data.splitlines()]
    assert seqs == list(range(seqs[0], seqs[0] + total)), "lost, doubled or out of order"


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
