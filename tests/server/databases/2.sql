PRAGMA application_id = 1667785076;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    account TEXT PRIMARY KEY,     -- folded name
    name TEXT NOT NULL,           -- as its owner spells it
    since INTEGER NOT NULL,       -- the newest message when the account first came
    read INTEGER NOT NULL DEFAULT 0,
    seen_at REAL,                 -- seconds since 1970; NULL while visibly here
    busy INTEGER NOT NULL DEFAULT 0,
    reply TEXT NOT NULL DEFAULT '',
    hidden INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO "accounts" VALUES('alice','Alice',0,2,1795361042.123,1,'in a meeting',0);
INSERT INTO "accounts" VALUES('bob','Bob',0,5,1795361042.123,0,'',1);
CREATE TABLE alive (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL);
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO "identity" VALUES('3ab89878e0fef3a06a077e82e4724eb7');
CREATE TABLE inboxes (            -- private messages by who takes part, folded names:
    account TEXT NOT NULL,        -- whose inbox it is in,
    seq INTEGER NOT NULL,
    peer TEXT NOT NULL,           -- and with whom: the sender, or for the sender each recipient
    PRIMARY KEY (account, seq, peer)
) WITHOUT ROWID;
INSERT INTO "inboxes" VALUES('alice',2,'bob');
INSERT INTO "inboxes" VALUES('alice',3,'bob');
INSERT INTO "inboxes" VALUES('alice',2,'carol');
INSERT INTO "inboxes" VALUES('bob',2,'alice');
INSERT INTO "inboxes" VALUES('bob',3,'alice');
INSERT INTO "inboxes" VALUES('bob',4,'bob');
INSERT INTO "inboxes" VALUES('carol',2,'alice');
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    sender TEXT NOT NULL,
    room TEXT,                    -- where it was said, or
    recipients TEXT,              -- whom it was sent to, separated by spaces
    text TEXT NOT NULL,
    key TEXT                      -- the sender's idempotency key
);
INSERT INTO "messages" VALUES(1,1795361042123,'Bob','lobby',NULL,'good morning',NULL);
INSERT INTO "messages" VALUES(2,1795361042124,'Alice',NULL,'Bob carol','lunch?','k1');
INSERT INTO "messages" VALUES(3,1795361042125,'Bob',NULL,'Alice','yes
at noon',NULL);
INSERT INTO "messages" VALUES(4,1795361042126,'Bob',NULL,'Bob','note to self',NULL);
INSERT INTO "messages" VALUES(5,1795361042127,'carol','lobby',NULL,'it''s raining','k2');
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE INDEX messages_by_room ON messages (room, seq) WHERE room IS NOT NULL;
CREATE INDEX inboxes_by_peer ON inboxes (account, peer, seq);
COMMIT;
