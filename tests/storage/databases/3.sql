PRAGMA application_id = 1667785076;
PRAGMA user_version = 3;
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
INSERT INTO "accounts" VALUES('alice','Alice',0,12,1795361055.25,1,'in a meeting',0);
INSERT INTO "accounts" VALUES('bob','BOB',0,16,1795361042.1234,0,'',1);
INSERT INTO "accounts" VALUES('carol','carol',9,3,NULL,0,'',0);
INSERT INTO "accounts" VALUES('dave','dave',9,10,1795361060.0,0,'',0);
CREATE TABLE alive (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL);
INSERT INTO "alive" VALUES(1,1795361070.5);
CREATE TABLE conversations (      -- private messages by who talks with whom, folded names:
    one TEXT NOT NULL,            -- the sender and a recipient,
    other TEXT NOT NULL,          -- in the order of the alphabet
    seq INTEGER NOT NULL,
    PRIMARY KEY (one, other, seq)
) WITHOUT ROWID;
INSERT INTO "conversations" VALUES('alice','bob',3);
INSERT INTO "conversations" VALUES('alice','bob',4);
INSERT INTO "conversations" VALUES('alice','bob',15);
INSERT INTO "conversations" VALUES('alice','bob',16);
INSERT INTO "conversations" VALUES('alice','carol',3);
INSERT INTO "conversations" VALUES('alice','carol',15);
INSERT INTO "conversations" VALUES('alice','dave',11);
INSERT INTO "conversations" VALUES('alice','erin',9);
INSERT INTO "conversations" VALUES('bob','bob',5);
INSERT INTO "conversations" VALUES('bob','bob',8);
INSERT INTO "conversations" VALUES('bob','dave',7);
INSERT INTO "conversations" VALUES('bob','dave',8);
INSERT INTO "conversations" VALUES('bob','dave',16);
INSERT INTO "conversations" VALUES('bob','erin',16);
INSERT INTO "conversations" VALUES('carol','frank',14);
CREATE TABLE deleted (            -- accounts that were deleted, and the newest message then:
    account TEXT PRIMARY KEY,     -- for a new account of that name the past begins after it
    upto INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "deleted" VALUES('dave',9);
INSERT INTO "deleted" VALUES('erin',9);
CREATE TABLE gone (      -- messages deleted, whose words the index may still have
    seq INTEGER PRIMARY KEY
);
INSERT INTO "gone" VALUES(1);
CREATE TABLE identity (id TEXT NOT NULL);
INSERT INTO "identity" VALUES('3ab89878e0fef3a06a077e82e4724eb7');
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    sender TEXT NOT NULL,
    room TEXT,                    -- where it was said, or
    recipients TEXT,              -- whom it was sent to, separated by spaces
    text TEXT NOT NULL,
    key TEXT                      -- the sender's idempotency key
);
INSERT INTO "messages" VALUES(2,1795361044123,'Bob','lobby',NULL,'good morning','k1');
INSERT INTO "messages" VALUES(3,1795361045123,'Alice',NULL,'Bob carol','lunch?','k1');
INSERT INTO "messages" VALUES(4,1795361046123,'Bob',NULL,'Alice','yes
at noon',NULL);
INSERT INTO "messages" VALUES(5,1795361047123,'Bob',NULL,'Bob','note to self',NULL);
INSERT INTO "messages" VALUES(6,1795361048123,'DAVE','lobby',NULL,'I am the first Dave',NULL);
INSERT INTO "messages" VALUES(7,1795361049123,'Dave',NULL,'Bob','for Bob, from the first',NULL);
INSERT INTO "messages" VALUES(8,1795361050123,'Bob',NULL,'Dave Bob','for the first, and for me',NULL);
INSERT INTO "messages" VALUES(9,1795361051123,'Erin',NULL,'Alice','goodbye',NULL);
INSERT INTO "messages" VALUES(10,1795361052123,'dave','lobby',NULL,'I am another Dave','k1');
INSERT INTO "messages" VALUES(11,1795361053123,'Alice',NULL,'dave','welcome, whoever you are',NULL);
INSERT INTO "messages" VALUES(12,1795361054123,'bob','lobby',NULL,'it''s raining','k2');
INSERT INTO "messages" VALUES(13,1795361055123,'Bob','lobby',NULL,'it rains still','k2');
INSERT INTO "messages" VALUES(14,1795361056123,'carol',NULL,'Frank','are you there? 👋',NULL);
INSERT INTO "messages" VALUES(15,1795361057123,'alice',NULL,'carol bob','lunch again?',NULL);
INSERT INTO "messages" VALUES(16,1795361058123,'Bob',NULL,'dave Alice Erin','a new Erin',NULL);
CREATE TABLE partners (           -- with whom an account has ever talked privately
    account TEXT NOT NULL,
    partner TEXT NOT NULL,
    PRIMARY KEY (account, partner)
) WITHOUT ROWID;
INSERT INTO "partners" VALUES('alice','bob');
INSERT INTO "partners" VALUES('alice','carol');
INSERT INTO "partners" VALUES('alice','dave');
INSERT INTO "partners" VALUES('alice','erin');
INSERT INTO "partners" VALUES('bob','alice');
INSERT INTO "partners" VALUES('bob','bob');
INSERT INTO "partners" VALUES('bob','dave');
INSERT INTO "partners" VALUES('bob','erin');
INSERT INTO "partners" VALUES('carol','alice');
INSERT INTO "partners" VALUES('carol','frank');
INSERT INTO "partners" VALUES('dave','alice');
INSERT INTO "partners" VALUES('dave','bob');
INSERT INTO "partners" VALUES('erin','alice');
INSERT INTO "partners" VALUES('erin','bob');
INSERT INTO "partners" VALUES('frank','carol');
CREATE TABLE rest (      -- how long nothing is deleted, for the clock has jumped
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seconds REAL NOT NULL              -- of running
);
INSERT INTO "rest" VALUES(1,123.5);
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE INDEX messages_by_room ON messages (room, seq) WHERE room IS NOT NULL;
CREATE TRIGGER conversations_have_partners AFTER INSERT ON conversations BEGIN
    INSERT OR IGNORE INTO partners VALUES (new.one, new.other), (new.other, new.one);
END;
COMMIT;
