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
    name TEXT UNIQUE,                  -- of a room, folded
    people TEXT UNIQUE,                -- of a direct one: its accounts in order, as [3,17]
    topic TEXT NOT NULL,
    access TEXT NOT NULL,              -- open or closed
    history TEXT NOT NULL,             -- all or joined
    speaking TEXT NOT NULL,            -- everyone or moderators
    made INTEGER NOT NULL
);
CREATE TABLE members (
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    role TEXT NOT NULL,                -- owner, moderator or member
    since INTEGER NOT NULL,            -- after which message it begins for the account
    read INTEGER NOT NULL,             -- how far a person has looked
    notify TEXT NOT NULL,
    left INTEGER,                      -- at which message the account ceased to be a member
    PRIMARY KEY (account, conversation)
) WITHOUT ROWID;
CREATE INDEX members_by_conversation ON members (conversation, account);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,               -- ms since 1970, UTC
    conversation INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    kind TEXT NOT NULL,                -- text, action or notice
    text TEXT NOT NULL,
    reply_to INTEGER,
    key TEXT                           -- the sender's idempotency key
);
CREATE INDEX messages_by_conversation ON messages (conversation, seq, sender);
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE TABLE changes (                 -- what else belongs to a conversation's past
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    target INTEGER,                    -- the message that was changed
    by INTEGER NOT NULL,
    kind TEXT NOT NULL,                -- edit, delete, react, join, topic …
    value TEXT NOT NULL
);
CREATE INDEX changes_by_conversation ON changes (conversation, seq);
CREATE TABLE gone (                    -- messages deleted, whose words the index may still have
    seq INTEGER PRIMARY KEY
);
CREATE TABLE meta (                    -- single facts:
    name TEXT PRIMARY KEY,
    value                              -- identity (tells this database from every other),
) WITHOUT ROWID;                       -- at (ms), applied (items), alive (ms), rest (s)
"""

FIRST_ROWS: Final = """
INSERT INTO conversations VALUES (1, 'room', 'lobby', NULL, '', 'open', 'all', 'everyone', 0);
INSERT INTO meta VALUES ('identity', lower(hex(randomblob(16))));
"""

ACCOUNT: Final = "id, folded, name, role, busy, reply, hidden, acked, seen_at, made, deleted"
CONVERSATION: Final = "id, kind, name, people, topic, access, history, speaking, made"
MEMBER: Final = "account, conversation, role, since, read, notify, left"
MESSAGE: Final = "seq, at, conversation, sender, kind, text, reply_to, key"
"""The columns as they are written: those of a message in the order of `state.MessageRow`."""

READ: Final = """
    SELECT seq, at, writer.name AS writer, place.name AS room, CASE
            WHEN people IS NULL THEN '[]'
            WHEN people = '[' || sender || ']' THEN json_array(writer.name)
            ELSE (SELECT json_group_array(each.name) FROM json_each(people) AS one
                CROSS JOIN accounts AS each ON each.id = one.value WHERE each.id <> sender)
        END AS others, text, conversation, sender, coalesce(people, '[]') AS among
    FROM messages
    CROSS JOIN accounts AS writer ON writer.id = sender
    CROSS JOIN conversations AS place ON place.id = conversation
"""
"""Messages as they are read, with the names of today."""

AS_JSON: Final = (
    "json_array(seq, at, writer, room, json(others), text, conversation, sender, json(among))"
)
"""A row of READ as one value: the fields of a `past.StoredMessage`."""
