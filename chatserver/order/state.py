"""How everything stands after the items so far: accounts, conversations, who is here.

Plain data in memory, changed by `apply` alone and kept up with `chat.db` by the rows that it leaves
in `unsaved`. There is no lock here and no clock: whoever owns a state guards it.

What an item changes is journalled until it is on disk, so that a batch that the disk refuses can be
taken back as if it had not been.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from chatserver.order.records import (
    LOBBY_ID,
    Account,
    ChangeRow,
    Conversation,
    Device,
    Kind,
    Member,
    MessageRow,
    Target,
    Unsaved,
)
from chatwire.names import LOBBY, fold

_MOST_ENDED: Final = 50
"""Of so many rooms somebody is told at the next login that he is out of them."""


class State:
    """Everything that `apply` decides by. One thread at a time."""

    def __init__(self) -> None:
        self.seq = 0
        """The number of the newest message or change."""
        self.at = 0
        """The time of the newest item: it never goes back."""
        self.applied = 0
        """How many items there have been."""
        self.accounts: dict[int, Account] = {}
        self.conversations: dict[int, Conversation] = {}
        self.devices: dict[str, Device] = {}
        """By the digest of the token."""
        self.reached: dict[str, Device] = {}
        """Those of them that a push service reaches."""
        self.keys: dict[tuple[int, str], int] = {}
        """Keys in use that matter to the items about to be applied: whoever applies them puts
        them here first."""
        self.targets: dict[int, Target] = {}
        """Messages that these items are about, likewise."""
        self.unsaved = Unsaved()
        self._by_name: dict[str, Account] = {}
        self._rooms: dict[str, Conversation] = {}
        self._direct: dict[tuple[int, ...], Conversation] = {}
        self._next_account = 1
        self._next_conversation = 1
        self._visible_keys: list[str] = []  # in order, and their names beside them
        self._visible_names: list[str] = []
        self._busy: Mapping[str, str] | None = None
        self._journal: list[tuple[Any, Any, Any]] = []
        self._before = (0, 0, 0)  # what seq, at and applied were when the journal was empty

    # -- what there is --

    def account(self, name: str) -> Account | None:
        """Return the account that has this name now."""
        return self._by_name.get(fold(name))

    def room(self, name: str) -> Conversation | None:
        """Return the room of this name."""
        return self._rooms.get(fold(name))

    def direct(self, people: tuple[int, ...]) -> Conversation | None:
        """Return the conversation of exactly these accounts, given in order."""
        return self._direct.get(people)

    def conversations_of(self, account: int, other: int | None = None) -> Iterator[Conversation]:
        """Yield the direct conversations in which an account, and also `other`, takes part."""
        for number in self.accounts[account].member_of:
            found = self.conversations[number]
            if found.kind == "direct" and (other is None or other in found.members):
                yield found

    def rooms(self) -> Iterator[Conversation]:
        """Yield the rooms there are."""
        return iter(self._rooms.values())

    def rooms_made_by(self, account: int) -> int:
        """Return how many of the rooms an account has made."""
        return sum(each.maker == account for each in self._rooms.values())

    def may_find(self, room: Conversation, account: int) -> bool:
        """Tell whether there is such a room, as far as the account can know."""
        if room.kind != "room" or room.deleted is not None:
            return False
        return room.access == "open" or account in room.invited or bool(room.member(account))

    def target(self, seq: int) -> Target | None:
        """Return how a message stands: one that was looked up, or that is not on disk yet."""
        found = self.targets.get(seq)
        if found is None:
            for number, at, conversation, sender, *_ in self.unsaved.messages:
                if number == seq:
                    return Target(conversation, sender, at)
        return found

    def is_nobody(self, words: Iterable[str]) -> bool:
        """Tell whether no folded word is the name of an account."""
        return self._by_name.keys().isdisjoint(words)

    def mentioned(self, conversation: Conversation, words: Iterable[str]) -> tuple[int, ...]:
        """Return the members whose names are among some folded words, in that order."""
        by_name, members = self._by_name, conversation.members
        found: dict[int, None] = {}
        for word in words:
            account = by_name.get(word)
            if account is not None and account.id in members:
                found[account.id] = None
        return tuple([each for each in found if members[each].left is None])

    @property
    def visible_count(self) -> int:
        """How many accounts others can see to be here."""
        return len(self._visible_keys)

    def visible(self) -> Iterator[Account]:
        """Yield the accounts that others can see to be here, in the order of their names."""
        return map(self._by_name.__getitem__, self._visible_keys)

    def online(self, but: str) -> tuple[str, ...]:
        """Return the names of the visible accounts in order, without the folded name `but`."""
        at = bisect_left(self._visible_keys, but)
        beyond = at + (self._visible_keys[at : at + 1] == [but])
        return (*self._visible_names[:at], *self._visible_names[beyond:])

    def busy_replies(self) -> Mapping[str, str]:
        """Return what the busy say meanwhile, by name: those that others can see to be here."""
        if self._busy is None:
            busy = [each for each in self.accounts.values() if each.busy and each.visible]
            self._busy = {each.name: each.reply for each in busy}
        return self._busy

    def audience(self, conversation: Conversation) -> tuple[int, ...]:
        """Return the sessions that are shown at once what is said there: not those of the busy."""
        if conversation.audience is None:
            accounts = self.accounts
            conversation.audience = tuple(
                session
                for number, member in conversation.members.items()
                if member.left is None and not accounts[number].busy
                for session in accounts[number].sessions
            )
        return conversation.audience

    def readers(self, conversation: Conversation, target: int) -> tuple[int, ...]:
        """Return the sessions that are shown at once what becomes of a message there: not those of
        members who came after it and cannot read what was said before."""
        audience = self.audience(conversation)
        if conversation.history == "all":
            return audience
        members = conversation.members.values()
        late = [each for each in members if each.left is None and each.since >= target]
        blind = {session for each in late for session in self.accounts[each.account].sessions}
        return tuple(each for each in audience if each not in blind) if blind else audience

    def stays(self, account: Account) -> tuple[tuple[int, int], ...]:
        """Return the conversations of an account, and after which message each begins for it."""
        conversations, me = self.conversations, account.id
        return tuple((each, conversations[each].members[me].since) for each in account.member_of)

    # -- changes, for `apply` --

    def set(self, target: object, name: str, value: object) -> None:
        """Change an attribute, so that it can be taken back."""
        self._journal.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    def add_account(self, name: str) -> Account:
        """Make an account, now, in every place where everybody is."""
        account = Account(self._next_account, name, self.at)
        self.set(self, "_next_account", account.id + 1)
        self._put(self.accounts, account.id, account)
        self._put(self._by_name, account.folded, account)
        self.touch(account)
        return account

    def add_conversation(
        self, kind: Kind, name: str | None = None, people: tuple[int, ...] = (), **details: Any
    ) -> Conversation:
        """Make a conversation; its people are members from the beginning."""
        made = Conversation(self._next_conversation, kind, self.at, name, people, **details)
        self.set(self, "_next_conversation", made.id + 1)
        self._put(self.conversations, made.id, made)
        if name is not None:
            self._put(self._rooms, fold(name), made)
        else:
            self._put(self._direct, people, made)
        self.renew(made)
        for number in people:
            self.add_member(made, self.accounts[number], since=0)
        return made

    def renew(self, conversation: Conversation, **changes: object) -> None:
        """Change a conversation, and note that it is newer than the disk."""
        for name, value in changes.items():
            self.set(conversation, name, value)
        self._put(self.unsaved.conversations, conversation.id, conversation)

    def remove_room(self, room: Conversation) -> None:
        """Take a room's name away from it: there is no such room any more."""
        assert room.name is not None
        for account in tuple(room.invited):
            self.invite(room, account, 0)
        self.renew(room, deleted=self.at, audience=None)
        self._remove(self._rooms, fold(room.name))

    def forget_room(self, room: Conversation) -> None:
        """Have nothing left of a deleted room, nor of who was in it; but the last conversation
        stays: numbering goes on from it."""
        if room.id == self._next_conversation - 1:
            return
        for member in room.members.values():
            account = self.accounts[member.account]
            if member.left in account.ended:
                rest = tuple(each for each in account.ended if each != member.left)
                self.set(account, "ended", rest)
            self._drop(self.unsaved.members, (member.account, room.id))
        self._remove(self.conversations, room.id)
        self._drop(self.unsaved.conversations, room.id)
        self.unsaved.forgotten.append(room.id)

    def add_member(
        self, conversation: Conversation, account: Account, since: int, role: str = "member"
    ) -> Member:
        """Make an account a member, from message `since` on."""
        was = conversation.members.get(account.id)
        if was is not None and was.left in account.ended:
            # Who is in it again need not be told that he was out.
            rest = tuple(each for each in account.ended if each != was.left)
            self.set(account, "ended", rest)
        member = Member(account.id, conversation.id, since, role, read=since)
        self._put(conversation.members, account.id, member)
        self.set(account, "member_of", (*account.member_of, conversation.id))
        self.set(conversation, "count", conversation.count + 1)
        self._put(self.unsaved.members, (account.id, conversation.id), member)
        self.set(conversation, "audience", None)
        return member

    def end_member(self, conversation: Conversation, account: Account, left: int) -> None:
        """End a membership, with change `left`."""
        self.change_member(conversation.members[account.id], left=left)
        rest = tuple(each for each in account.member_of if each != conversation.id)
        self.set(account, "member_of", rest)
        self.set(account, "ended", (*account.ended[1 - _MOST_ENDED :], left))
        self.set(conversation, "count", conversation.count - 1)
        self.set(conversation, "audience", None)

    def change_member(self, member: Member, **changes: object) -> None:
        """Change a membership, and note that it is newer than the disk."""
        for name, value in changes.items():
            self.set(member, name, value)
        self._put(self.unsaved.members, (member.account, member.conversation), member)

    def invite(self, room: Conversation, account: int, by: int) -> None:
        """Let an account join, or, where `by` is 0, no longer."""
        if by:
            self._put(room.invited, account, by)
        else:
            self._remove(room.invited, account)
        self._put(self.unsaved.invitations, (room.id, account), by)

    def add_device(
        self, account: Account, token: str, password: str, address: str, client: str
    ) -> Device:
        """Let an account come with a token, whose digest this is."""
        number = 1 + max((self.devices[each].number for each in account.devices), default=0)
        made = Device(account.id, number, token, password, self.at, self.at, address, client)
        self._put(self.devices, token, made)
        self.set(account, "devices", (*account.devices, token))
        self._put(self.unsaved.devices, token, made)
        return made

    def change_device(self, device: Device, **changes: object) -> None:
        """Change what is known of a device, and note that it is newer than the disk."""
        for name, value in changes.items():
            self.set(device, name, value)
        self._remove(self.reached, device.token)
        if device.endpoint:
            self._put(self.reached, device.token, device)
        self._put(self.unsaved.devices, device.token, device)

    def remove_device(self, device: Device) -> None:
        """Let nobody come with a token any more."""
        account = self.accounts[device.account]
        self._remove(self.devices, device.token)
        self._remove(self.reached, device.token)
        rest = tuple([each for each in account.devices if each != device.token])
        self.set(account, "devices", rest)
        self._put(self.unsaved.devices, device.token, None)

    def add_message(
        self, conversation: Conversation, row: MessageRow, mentions: tuple[int, ...] = ()
    ) -> None:
        """Note a message that is to be written."""
        seq = row[0]
        self._journal.append((conversation, "newest", conversation.newest))
        self.seq = conversation.newest = seq
        self.unsaved.messages.append(row)
        if mentions:
            self.unsaved.mentions[seq] = conversation.id, mentions

    def add_change(self, conversation: Conversation, row: ChangeRow) -> None:
        """Note a change that is to be written."""
        self._journal.append((conversation, "newest", conversation.newest))
        self.seq = conversation.newest = row[0]
        self.unsaved.changes.append(row)

    def aim(self, seq: int, target: Target) -> None:
        """Note how a message stands that later items may be about."""
        self._put(self.targets, seq, target)

    def use_key(self, account: int, key: str, seq: int) -> None:
        """Note for which message an account has used a key."""
        self._put(self.keys, (account, key), seq)

    def delete(self, messages: tuple[int, ...], changes: tuple[int, ...]) -> None:
        """Have messages and changes deleted, but the newest: numbering goes on from it."""
        gone = {seq for seq in (*messages, *changes) if seq < self.seq}
        self.unsaved.deleted += gone
        # Taking back throws all new messages away, so these need not be journalled.
        unsaved = self.unsaved
        unsaved.messages[:] = [row for row in unsaved.messages if row[0] not in gone]
        unsaved.changes[:] = [row for row in unsaved.changes if row[0] not in gone]
        for seq in gone.intersection(messages):
            self.reindex(seq)
        for key in [key for key, seq in self.keys.items() if seq in gone]:
            self._remove(self.keys, key)
        for seq in gone:
            self._remove(self.targets, seq)

    def reindex(self, seq: int) -> None:
        """Note that the search index may have words of a message that it does not read any more."""
        self._put(self.unsaved.gone, seq, True)

    def note_purged(self, seqs: tuple[int, ...]) -> None:
        """Note that the search index has nothing more of messages that were deleted."""
        for seq in seqs:
            self._put(self.unsaved.gone, seq, False)

    def touch(self, account: Account) -> None:
        """Note that an account is newer than the disk."""
        self.unsaved.accounts[account.id] = account

    def see(self, account: Account, **changes: object) -> int:
        """Change what decides who can be seen and spoken to (sessions, busy, reply, hidden, name).

        Return 1 when the account has become visible by that, -1 when invisible, else 0.
        """
        before, key = account.visible, account.folded
        for name, value in changes.items():
            self.set(account, name, value)
        self.set(self, "_busy", None)
        for number in account.member_of:
            self.set(self.conversations[number], "audience", None)
        step = int(account.visible) - int(before)
        if step:
            self.set(account, "seen_at", None if step > 0 else self.at)
        if step or (account.visible and "name" in changes):
            self._show(key, account)
        self.touch(account)
        return step

    def remove_account(self, account: Account) -> None:
        """Take an account's name away from it, now; what it said stays its own."""
        self.see(account, sessions=(), hidden=True)
        self.set(account, "deleted", self.at)
        self._remove(self._by_name, account.folded)

    # -- the disk, for whoever owns the state --

    def load(self, item: Account | Conversation | Member | Device) -> None:
        """Take in what is on disk: accounts, then conversations, then members and devices."""
        match item:
            case Device():
                account = self.accounts[item.account]
                account.devices = (*account.devices, item.token)
                self.devices[item.token] = item
                if item.endpoint:
                    self.reached[item.token] = item
            case Account():
                self.accounts[item.id] = item
                self._next_account = max(self._next_account, item.id + 1)
                if item.deleted is None:
                    self._by_name[item.folded] = item
            case Conversation():
                self.conversations[item.id] = item
                self._next_conversation = max(self._next_conversation, item.id + 1)
                if item.name is None:
                    self._direct[item.people] = item
                elif item.deleted is None:
                    self._rooms[fold(item.name)] = item
            case Member():
                conversation = self.conversations[item.conversation]
                conversation.members[item.account] = item
                account = self.accounts[item.account]
                if item.left is not None:
                    account.ended = tuple(sorted((*account.ended, item.left))[-_MOST_ENDED:])
                elif conversation.deleted is None:
                    conversation.count += 1
                    account.member_of = (*account.member_of, conversation.id)

    def saved(self) -> None:
        """Note that everything is on disk now."""
        self.unsaved.clear()
        self.kept()

    def kept(self) -> None:
        """Note that what is not on disk is not to be taken back any more."""
        self._journal.clear()
        self._before = self.seq, self.at, self.applied

    def take_back(self) -> None:
        """Have everything as it was at the last `saved` or `kept`."""
        for target, name, value in reversed(self._journal):
            if isinstance(target, dict):
                if value is None:
                    target.pop(name, None)
                else:
                    target[name] = value
            else:
                setattr(target, name, value)
        self._journal.clear()
        self.seq, self.at, self.applied = self._before
        unsaved = self.unsaved
        unsaved.forget_acts()
        for number in unsaved.accounts.keys() - self.accounts.keys():
            del unsaved.accounts[number]
        self._visible_keys = sorted(each.folded for each in self._by_name.values() if each.visible)
        self._visible_names = [self._by_name[key].name for key in self._visible_keys]

    def _put(self, mapping: dict[Any, Any], key: object, value: object) -> None:
        self._journal.append((mapping, key, mapping.get(key)))
        mapping[key] = value

    def _drop(self, mapping: dict[Any, Any], key: object) -> None:
        if key in mapping:
            self._remove(mapping, key)

    def _remove(self, mapping: dict[Any, Any], key: object) -> None:
        self._journal.append((mapping, key, mapping.pop(key, None)))

    def _show(self, key: str, account: Account) -> None:
        at = bisect_left(self._visible_keys, key)
        there = self._visible_keys[at : at + 1] == [key]
        if not account.visible:
            if there:
                del self._visible_keys[at], self._visible_names[at]
        elif there:
            self._visible_names[at] = account.name
        else:
            insort(self._visible_keys, key)
            self._visible_names.insert(at, account.name)


def first_state() -> State:
    """Return the state of a database in which nothing has happened."""
    state = State()
    state.load(Conversation(LOBBY_ID, "room", 0, name=LOBBY, history="joined"))
    return state
