"""The tables of `chat.db`, version 4: accounts, conversations, members, messages, changes."""

from typing import Final

TABLES: Final = """
CREATE TABLE accounts (                -- a name used again is another account
    id INTEGER PRIMARY KEY,
    folded TEXT NOT NULL,
    name TEXT NOT NULL,                -- as its owner spells it
    role TEXT NOT NULL,                -- member or admin
    busy INTEGER NOT NULL,
    reply TEXT NOT NULL,               -- what is said meanwhile
    hidden INTEGER NOT NULL,
    acked INTEGER NOT NULL,            -- how far its programs have been given everything
    seen_at INTEGER,                   -- ms since 1970; NULL while visibly here, 0 if it never was
    made INTEGER NOT NULL,
    deleted INTEGER                    -- when; its words stay its own
);
CREATE UNIQUE INDEX accounts_by_name ON accounts (folded) WHERE deleted IS NULL;
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                -- room or direct
    name TEXT,                         -- of a room
    people TEXT UNIQUE,                -- of a direct one: its accounts in order, as [3,17]
    topic TEXT NOT NULL,
    access TEXT NOT NULL,              -- open or closed
    history TEXT NOT NULL,             -- all or joined
    speaking TEXT NOT NULL,            -- everyone or moderators
    maker INTEGER,
    made INTEGER NOT NULL,
    deleted INTEGER                    -- when; what was said there goes, step by step
);
CREATE UNIQUE INDEX rooms_by_name ON conversations (name COLLATE NOCASE)
    WHERE name IS NOT NULL AND deleted IS NULL;
CREATE TABLE members (
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    role TEXT NOT NULL,                -- owner, moderator or member
    since INTEGER NOT NULL,            -- after which message it begins for the account
    read INTEGER NOT NULL,             -- how far a person has looked
    notify TEXT NOT NULL,
    left INTEGER,                      -- with which change the account ceased to be a member
    muted INTEGER NOT NULL,            -- until when it may not speak (ms since 1970)
    PRIMARY KEY (account, conversation)
) WITHOUT ROWID;
CREATE INDEX members_by_conversation ON members (conversation, account);
CREATE TABLE invitations (             -- who may join a room, and who has said so
    conversation INTEGER NOT NULL,
    account INTEGER NOT NULL,
    by INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) WITHOUT ROWID;
CREATE TABLE devices (                 -- from where accounts may come without their password
    token TEXT PRIMARY KEY,            -- its SHA-256: the token is nowhere
    account INTEGER NOT NULL,
    number INTEGER NOT NULL,           -- what its owner calls it
    password TEXT NOT NULL,            -- a digest of the hash for which it was made
    made INTEGER NOT NULL,             -- ms since 1970
    seen INTEGER NOT NULL,
    address TEXT NOT NULL,
    client TEXT NOT NULL,              -- what kind of program it is, as that says
    endpoint TEXT NOT NULL,            -- the URL of a push service that reaches it, if any
    push TEXT NOT NULL                 -- what else that takes, as JSON
) WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,               -- ms since 1970, UTC
    conversation INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    kind TEXT NOT NULL,                -- text, action or notice
    text TEXT NOT NULL,
    reply_to INTEGER,
    key TEXT,                          -- the sender's idempotency key
    edited INTEGER,                    -- since when it reads so (ms), if it read otherwise before
    deleted INTEGER                    -- since when its words are gone (ms)
);
CREATE INDEX messages_by_conversation ON messages (conversation, seq, sender, deleted);
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE TABLE mentions (                -- whom messages name
    seq INTEGER NOT NULL,
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (seq, account)
) WITHOUT ROWID;
CREATE INDEX mentions_by_account ON mentions (account, conversation, seq);
CREATE TABLE reactions (
    seq INTEGER NOT NULL,
    account INTEGER NOT NULL,
    reaction TEXT NOT NULL,
    PRIMARY KEY (seq, account, reaction)
) WITHOUT ROWID;
CREATE TABLE changes (                 -- what else belongs to a conversation's past
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    by INTEGER NOT NULL,
    kind TEXT NOT NULL,                -- edit, delete, react, joined, topic …
    target INTEGER,                    -- the message that was changed
    who INTEGER,                       -- the account that it is about
    value TEXT NOT NULL,
    key TEXT                           -- the idempotency key of who did it
);
CREATE INDEX changes_by_conversation ON changes (conversation, seq);
CREATE INDEX changes_by_target ON changes (target) WHERE target IS NOT NULL;
CREATE UNIQUE INDEX changes_by_key ON changes (by, key) WHERE key IS NOT NULL;
CREATE TABLE gone (                    -- messages deleted, whose words the index may still have
    seq INTEGER PRIMARY KEY
);
CREATE TABLE meta (                    -- single facts:
    name TEXT PRIMARY KEY,
    value                              -- identity (tells this database from every other),
) WITHOUT ROWID;                       -- at (ms), applied (items), alive (ms), rest (s)
"""

FIRST_ROWS: Final = """
INSERT INTO conversations (id, kind, name, topic, access, history, speaking, made)
    VALUES (1, 'room', 'lobby', '', 'open', 'joined', 'everyone', 0);
INSERT INTO meta VALUES ('identity', lower(hex(randomblob(16))));
"""

ACCOUNT: Final = "id, folded, name, role, busy, reply, hidden, acked, seen_at, made, deleted"
CONVERSATION: Final = (
    "id, kind, name, people, topic, access, history, speaking, maker, made, deleted"
)
MEMBER: Final = "account, conversation, role, since, read, notify, left, muted"
DEVICE: Final = "account, number, token, password, made, seen, address, client, endpoint, push"
MESSAGE: Final = "seq, at, conversation, sender, kind, text, reply_to, key"
CHANGE: Final = "seq, at, conversation, by, kind, target, who, value, key"
"""The columns as they are written: those of a message and a change in the order of their rows in
`order/records`."""

_TO: Final = """CASE
            WHEN people IS NULL THEN '[]'
            WHEN people = '[' || {by} || ']' THEN json_array(writer.name)
            ELSE (SELECT json_group_array(each.name) FROM json_each(people) AS one
                CROSS JOIN accounts AS each ON each.id = one.value WHERE each.id <> {by})
        END"""

READ: Final = f"""
    SELECT seq, at, writer.name AS writer, place.name AS room, {_TO.format(by="sender")} AS others,
        text, conversation, sender, coalesce(people, '[]') AS among,
        messages.kind AS kind, reply_to, edited, messages.deleted AS deleted,
        (SELECT json_group_array(each.name) FROM mentions
            CROSS JOIN accounts AS each ON each.id = mentions.account
            WHERE mentions.seq = messages.seq) AS mentioned,
        (SELECT json_group_array(json_array(reaction, each.name)) FROM reactions
            CROSS JOIN accounts AS each ON each.id = reactions.account
            WHERE reactions.seq = messages.seq) AS reacted
    FROM messages
    CROSS JOIN accounts AS writer ON writer.id = sender
    CROSS JOIN conversations AS place ON place.id = conversation
"""  # noqa: S608 - put together from constants
"""Messages as they are read, with the names of today."""

AS_JSON: Final = (
    "json_array(seq, at, writer, room, json(others), text, conversation, sender, json(among),"
    " kind, reply_to, edited, deleted, json(mentioned), json(reacted))"
)
"""A row of READ as one value: the fields of a `past.StoredMessage`."""

READ_CHANGES: Final = f"""
    SELECT changes.seq AS seq, changes.at AS at, changes.kind AS kind, writer.name AS writer,
        place.name AS room, {_TO.format(by="by")} AS others, changes.target AS target,
        (SELECT name FROM accounts WHERE id = who) AS subject,
        iif(changes.kind = 'edit', coalesce(messages.text, ''), changes.value) AS value,
        iif(changes.kind = 'edit', (SELECT json_group_array(each.name) FROM mentions
            CROSS JOIN accounts AS each ON each.id = mentions.account
            WHERE mentions.seq = changes.target), '[]') AS mentioned
    FROM changes
    CROSS JOIN accounts AS writer ON writer.id = by
    CROSS JOIN conversations AS place ON place.id = changes.conversation
    LEFT JOIN messages ON messages.seq = changes.target
"""  # noqa: S608
"""Changes as they are read: what a message reads now stands with the message."""

CHANGE_AS_JSON: Final = (
    "json_array(seq, at, kind, writer, room, json(others), target, subject, value, json(mentioned))"
)
"""A row of READ_CHANGES as one value: the fields of an `outcome.Change`."""
