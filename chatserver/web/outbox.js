// @ts-check
import * as db from "./db.js";
import { toast } from "./dom.js";
import { at, conversation, messageOf, mine, store, touch } from "./store.js";
import { on, request, state } from "./wire.js";
import { t } from "./words.js";

const SOON = 300;
/** With these the server could not take it now; it will. All others are about the message itself. */
const LATER = new Set(["try_later", "storage_full", "rate_limited", "server_full", "internal"]);
/** A fault of the server may be about the message, too: it is not tried forever. */
const FAULTS = 3;
/** What a line may hold where the server does not say how many characters a message may have. */
const BYTES = 60_000;

/** @type {Map<string, number>} conversation -> timer */
const saving = new Map();
const tabs = new BroadcastChannel("chat");
let account = "";
let draining = false;
let again = false;
/** How often in a row something was put off. */
let puts = 0;

/** Show what was kept in this browser: outbox and drafts. @param {{outbox: any[], drafts: Map<string, any>}} kept */
export function restore(name, kept) {
  account = name;
  for (const c of store.conversations.values()) c.waiting = [];
  for (const [key, draft] of kept.drafts) {
    conversation(key).draft = draft;
    touch(`draft:${key}`);
  }
  for (const each of kept.outbox) show(each);
  touch("conversations");
}

function show(entry) {
  const c = conversation(entry.conversation);
  const there = c.waiting.findIndex((each) => each.localKey === entry.localKey);
  if (there < 0) c.waiting.push(entry);
  else c.waiting[there] = { ...c.waiting[there], ...entry };
  touch(`messages:${c.key}`, "conversations");
}

function hide(key, localKey) {
  const c = conversation(key);
  c.waiting = c.waiting.filter((each) => each.localKey !== localKey);
  touch(`messages:${key}`, "conversations");
}

function told(what) {
  tabs.postMessage({ account, ...what });
}

/** How many messages this browser has not sent. */
export function unsent() {
  let found = 0;
  for (const c of store.conversations.values()) found += c.waiting.length;
  return found;
}

/** Keep what is being written: at once in the store, within 300 ms on disk. Who writes it shows it. */
export function saveDraft(key, draft) {
  const c = conversation(key);
  const before = c.draft;
  c.draft = { text: "", replyTo: 0, editing: 0, ...draft };
  if (!before.text !== !c.draft.text) touch("conversations");
  if (!saving.has(key)) saving.set(key, setTimeout(() => writeDraft(key), SOON));
}

function writeDraft(key) {
  clearTimeout(saving.get(key));
  saving.delete(key);
  const { draft } = conversation(key);
  const empty = !draft.text && !draft.replyTo && !draft.editing;
  told({ draft: { ...draft }, key });
  return db.saveDraft(key, empty ? null : { ...draft });
}

/** Write the drafts that wait for that. */
export function writeDrafts() {
  for (const key of [...saving.keys()]) writeDraft(key);
}

/**
 * Say something in a conversation. Resolves when it is safe in this browser; the draft is empty then.
 * @param {string} key @param {string} text @param {{replyTo?: number, kind?: string}} [options]
 */
export async function send(key, text, { replyTo = 0, kind = "" } = {}) {
  clearTimeout(saving.get(key));
  saving.delete(key);
  const entry = {
    localKey: crypto.randomUUID(), conversation: key, text, at: Date.now(), replyTo, kind, state: "waiting", error: null,
  };
  let n;
  try {
    n = await db.enqueue(entry, key);
  } catch (error) {
    throw { code: "not_kept", text: t("notKept", { why: String(error?.message ?? error) }) };
  }
  conversation(key).draft = { text: "", replyTo: 0, editing: 0 };
  touch(`draft:${key}`);
  show({ ...entry, n });
  told({ entry: { ...entry, n }, key });
  drain();
}

const find = (localKey) => {
  for (const c of store.conversations.values())
    for (const each of c.waiting) if (each.localKey === localKey) return each;
  return null;
};

async function change(entry, what) {
  await db.update(entry.n, what);
  show({ ...entry, ...what });
  told({ entry: { ...entry, ...what }, key: entry.conversation });
}

/** Try a message again that was refused. */
export async function retry(localKey) {
  const entry = find(localKey);
  if (!entry) return;
  await change(entry, { state: "waiting", error: null });
  drain();
}
/** Throw a message away that is not sent. @returns its text, for the box */
export async function discard(localKey) {
  const entry = find(localKey);
  if (!entry) return "";
  await db.settle(entry.n);
  hide(entry.conversation, localKey);
  told({ gone: localKey, key: entry.conversation });
  return entry.text;
}

/** Send what waits, one by one and in order; only one tab of this browser does. */
export async function drain() {
  if (draining) {
    again = true;
    return;
  }
  draining = true;
  try {
    do {
      again = false;
      if (navigator.locks) await navigator.locks.request(`outbox:${account}`, round);
      else await round();
    } while (again && state === "online");
  } catch (error) {
    toast(error);
  } finally {
    draining = false;
  }
}

async function round() {
  const passed = new Set();
  while (state === "online") {
    const next = (await db.outbox()).find((each) => each.state === "waiting" && !passed.has(each.n));
    if (!next) return;
    try {
      await sendOne(next);
      puts = 0;
    } catch (error) {
      if (error.code === "offline") return;
      if (!error.code) throw error;
      if (LATER.has(error.code) && !(error.code === "internal" && puts >= FAULTS)) await pause(error.retry_after);
      else await change(next, { state: "failed", error: { code: error.code, text: error.text } });
    }
  }
}

/** Wait until it is worth trying again, or the link changes. */

function pause(seconds) {
  puts++;
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      stop();
      resolve(undefined);
    };
    const timer = setTimeout(go, seconds ? seconds * 1000 : Math.min(30_000, 500 * 2 ** puts));
    const stop = on((event) => event.event === "link" && go());
  });
}

/** What is too long is not sent: the server would end the link over it. */
function check(text) {
  const most = store.limits.characters;
  const long = most ? [...text].length : new TextEncoder().encode(text).length;
  if (long > (most || BYTES)) throw { code: "text_too_long", text: t("tooLong", { n: long - (most || BYTES) }) };
}

async function sendOne(entry) {
  const c = conversation(entry.conversation);
  check(entry.text);
  const fields = { ...c.target, text: entry.text, key: entry.localKey };
  if (entry.replyTo) Object.assign(fields, { reply_to: entry.replyTo });
  const reply = await request("send", fields);
  const event = {
    event: "message", seq: reply.seq, at: new Date().toISOString(), from: store.me?.name, text: entry.text,
    ...(entry.replyTo ? { reply_to: entry.replyTo } : {}), ...c.target,
  };
  await db.settle(entry.n, c.key, messageOf(event));
  settled(entry, event);
  told({ sent: event, localKey: entry.localKey, key: c.key });
}

function settled(entry, event) {
  const c = conversation(entry.conversation);
  hide(c.key, entry.localKey);
  if (!at(c.tail.list, event.seq)) mine(c, event.seq, event);
}

tabs.onmessage = ({ data }) => {
  if (data.account !== account || !store.me) return;
  if (data.entry) {
    show(data.entry);
    if (data.entry.state === "waiting") conversation(data.key).draft = { text: "", replyTo: 0, editing: 0 };
    touch(`draft:${data.key}`);
    drain();
  } else if (data.gone) hide(data.key, data.gone);
  else if (data.sent) settled({ conversation: data.key, localKey: data.localKey }, data.sent);
  else if (data.draft && !(store.open === data.key && document.hasFocus())) {
    conversation(data.key).draft = data.draft;
    touch(`draft:${data.key}`, "conversations");
  }
};

/** A server that was put back does not know what came after `seq`. */
export async function newestIs(seq) {
  for (const c of store.conversations.values()) {
    const { draft } = c;
    if (draft.replyTo > seq || draft.editing > seq) {
      saveDraft(c.key, { text: draft.text, replyTo: 0, editing: 0 });
      touch(`draft:${c.key}`);
    }
    for (const each of c.waiting) if (each.replyTo > seq) await change(each, { replyTo: 0 });
  }
}

addEventListener("pagehide", writeDrafts);
addEventListener("visibilitychange", () => document.visibilityState === "hidden" && writeDrafts());
