// @ts-check
/** How many messages of a conversation are kept, and how long others wait to be written together. */
const NEWEST = 500;
const TOGETHER = 250;

/** @type {IDBDatabase | null} */
let base = null;
/** What stands in for it where a browser has none: drafts and outbox in localStorage, or nowhere. */
let plain = null;
let plainName = "";
let timer = 0;
/** Messages to be written: conversation -> what to do. @type {Map<string, {drop: boolean, rows: Map<number, any>}>} */
let pending = new Map();
let pendingMeta = new Map();

/** Once it is closed nothing is written: what is not in it yet is not safe, and said to be so. */
const closed = () => !base && !plain;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = () => reject(transaction.error);
  });

/**
 * Open what is kept for an account. @param {string} account
 * @returns {Promise<'all'|'drafts'|'nothing'>} what can be kept
 */
export async function open(account) {
  close();
  try {
    const request = indexedDB.open(`chat:${account}`, 1);
    request.onupgradeneeded = () => {
      const made = request.result;
      made.createObjectStore("drafts");
      made.createObjectStore("meta");
      made.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
      made.createObjectStore("messages", { keyPath: ["c", "seq"] });
    };
    const opened = await done(request);
    opened.onversionchange = () => opened.close();
    base = opened;
    return "all";
  } catch {
    plainName = `chat:${account}:kept`;
    return fall();
  }
}

/** @returns {'drafts'|'nothing'} */
function fall() {
  plain = { drafts: {}, outbox: [], n: 0 };
  try {
    Object.assign(plain, JSON.parse(localStorage.getItem(plainName) ?? "{}"));
    localStorage.setItem(plainName, JSON.stringify(plain));
    return "drafts";
  } catch {
    plainName = "";
    return "nothing";
  }
}

function spill() {
  if (plainName) localStorage.setItem(plainName, JSON.stringify(plain));
}

/** Write what waits, and let go. */
export function close() {
  flush();
  base?.close();
  base = plain = null;
}

/** Everything that is kept: meta, drafts, outbox, and messages by conversation, ascending. */
export async function load() {
  const kept = { meta: new Map(), drafts: new Map(), outbox: await outbox(), messages: new Map() };
  if (!base) {
    kept.drafts = new Map(Object.entries(plain.drafts));
    return kept;
  }
  const from = base.transaction(["meta", "drafts", "messages"]);
  const pairs = async (name) => {
    const all = from.objectStore(name);
    const [keys, values] = await Promise.all([done(all.getAllKeys()), done(all.getAll())]);
    return new Map(keys.map((key, at) => [key, values[at]]));
  };
  const [meta, drafts, rows] = await Promise.all([pairs("meta"), pairs("drafts"), done(from.objectStore("messages").getAll())]);
  for (const { c, ...row } of rows) {
    if (!kept.messages.has(c)) kept.messages.set(c, []);
    kept.messages.get(c).push(row);
  }
  for (const [c, list] of kept.messages)
    if (list.length > NEWEST) {
      const older = list.splice(0, list.length - NEWEST);
      base.transaction("messages", "readwrite").objectStore("messages")
        .delete(IDBKeyRange.bound([c, 0], [c, older[older.length - 1].seq]));
    }
  return { ...kept, meta, drafts };
}

/** Keep a draft, or none. Resolves when it is safe. */
export async function saveDraft(key, draft) {
  if (closed()) return;
  if (plain) {
    if (draft) plain.drafts[key] = draft;
    else delete plain.drafts[key];
    return spill();
  }
  const writing = base.transaction("drafts", "readwrite");
  if (draft) writing.objectStore("drafts").put(draft, key);
  else writing.objectStore("drafts").delete(key);
  return finished(writing);
}

/** What is to be sent, in its order. */
export async function outbox() {
  if (closed()) return [];
  return base ? done(base.transaction("outbox").objectStore("outbox").getAll()) : structuredClone(plain.outbox);
}

/** Put something into the outbox and take the draft it was away, both or neither. @returns its number */
export async function enqueue(entry, draftOf) {
  if (plain) {
    const n = ++plain.n;
    plain.outbox.push({ ...entry, n });
    delete plain.drafts[draftOf];
    spill();
    return n;
  }
  const writing = base.transaction(["outbox", "drafts"], "readwrite");
  const adding = done(writing.objectStore("outbox").add(entry));
  writing.objectStore("drafts").delete(draftOf);
  await finished(writing);
  return adding;
}

/** Change an entry of the outbox (by its `n`), unless another tab has taken it out. */
export async function update(n, change) {
  if (closed()) return;
  if (plain) {
    const entry = plain.outbox.find((each) => each.n === n);
    if (entry) Object.assign(entry, change);
    return spill();
  }
  const writing = base.transaction("outbox", "readwrite");
  const entry = await done(writing.objectStore("outbox").get(n));
  if (entry) writing.objectStore("outbox").put({ ...entry, ...change });
  return finished(writing);
}

/** Take an entry out of the outbox. With `row`, it has become that message. */
export async function settle(n, key, row) {
  if (closed()) return;
  if (plain) {
    plain.outbox = plain.outbox.filter((each) => each.n !== n);
    return spill();
  }
  const writing = base.transaction(["outbox", "messages"], "readwrite");
  writing.objectStore("outbox").delete(n);
  if (row) writing.objectStore("messages").put({ c: key, ...row });
  return finished(writing);
}

function waitingOf(key) {
  if (!pending.has(key)) pending.set(key, { drop: false, rows: new Map() });
  timer ||= setTimeout(flush, TOGETHER);
  return pending.get(key);
}

/** Keep a message, soon. */
export function keep(key, row) {
  if (base) waitingOf(key).rows.set(row.seq, row);
}

/** Forget the messages of a conversation, soon. */
export function drop(key) {
  if (!base) return;
  const waiting = waitingOf(key);
  waiting.drop = true;
  waiting.rows.clear();
}

/** Keep a small thing about the whole, soon, together with the messages that came before. */
export function meta(name, value) {
  if (!base) return;
  pendingMeta.set(name, value);
  timer ||= setTimeout(flush, TOGETHER);
}

/** Write what waits, in one transaction. */
export function flush() {
  clearTimeout(timer);
  timer = 0;
  if (!base || !(pending.size || pendingMeta.size)) return;
  const writing = base.transaction(["messages", "meta"], "readwrite");
  const messages = writing.objectStore("messages");
  for (const [c, { drop, rows }] of pending) {
    if (drop) messages.delete(IDBKeyRange.bound([c, 0], [c, Infinity]));
    for (const row of rows.values()) messages.put({ c, ...row });
  }
  for (const [name, value] of pendingMeta) writing.objectStore("meta").put(value, name);
  pending = new Map();
  pendingMeta = new Map();
}

/** Forget what was said and where; drafts, outbox and settings stay. */
export function forget() {
  pending.clear();
  pendingMeta.clear();
  if (!base) return;
  const writing = base.transaction(["messages", "meta"], "readwrite");
  writing.objectStore("messages").clear();
  for (const each of ["since", "me", "conversations"]) writing.objectStore("meta").delete(each);
}

addEventListener("pagehide", flush);
