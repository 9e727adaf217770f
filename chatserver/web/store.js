// @ts-check
import * as db from "./db.js";

/**
 * @typedef {{seq: number, at: number, from: string, text: string, kind: string, replyTo: number,
 *   mentions: string[], edited: boolean, deleted: boolean, reactions: Map<string, string[]>, own: boolean,
 *   change?: string, name?: string, role?: string, minutes?: number, reason?: string, topic?: string}} Message
 * @typedef {{list: Message[], start: boolean, end: boolean}} Stretch
 * @typedef {{localKey: string, conversation: string, text: string, at: number, replyTo: number,
 *   kind: string, state: 'waiting'|'failed', error: any}} Outgoing
 */

const TYPING = 6000;
const MOST_SHOWN = 100;

export const fold = (name) => name.toLowerCase();
export const isMe = (name) => store.me !== null && fold(name) === fold(store.me.name);
const byName = (a, b) => (fold(a) < fold(b) ? -1 : 1);
const emptyDraft = () => ({ text: "", replyTo: 0, editing: 0 });

export class Conversation {
  constructor(key) {
    this.key = key;
    this.room = key.startsWith("#") ? key.slice(1) : null;
    /** @type {string[] | null} */
    this.with = this.room === null ? key.split(",") : null;
    this.title = this.room === null ? key.replaceAll(",", ", ") : key;
    this.topic = "";
    this.access = "open";
    this.speaking = "everyone";
    this.history = "all";
    this.role = "";
    this.people = this.with ? this.with.length + 1 : 0;
    this.joined = this.room === null;
    this.invited = false;
    this.newest = 0;
    this.read = 0;
    this.unread = 0;
    this.mentions = 0;
    /** Up to where `unread` has been counted by the server. */
    this.counted = 0;
    this.last = 0;
    /** What reaches the newest message, and what is looked at: the same, mostly. */
    /** @type {Stretch} */
    this.tail = { list: [], start: false, end: true };
    this.view = this.tail;
    this.gap = 0;
    /** @type {Outgoing[]} */
    this.waiting = [];
    this.draft = emptyDraft();
    /** @type {Map<string, number>} */
    this.typing = new Map();
    this.newFrom = 0;
  }

  /** @returns {'all'|'mentions'|'none'} */
  get notify() {
    return store.notices.get(this.key) ?? (this.room === null ? "all" : "mentions");
  }
  get messages() {
    return this.view.list;
  }
  get atStart() {
    return this.view.start;
  }
  get atEnd() {
    return this.view === this.tail;
  }
  /** How requests name it. */
  get place() {
    return this.room !== null ? { room: this.room } : { with: this.with };
  }
  /** How requests that say something name it. */
  get target() {
    return this.room !== null ? { room: this.room } : { to: this.with };
  }
}

/* Subscriptions: told at most once a frame, and also while the page is not seen. */
const subscribers = new Map();
const changed = new Set();
let frame = 0;
let timer = 0;

function flush() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = timer = 0;
  const parts = [...changed];
  changed.clear();
  for (const part of parts) for (const each of [...(subscribers.get(part) ?? [])]) each(part);
}

/** Say that parts of the store have changed. */
export function touch(...parts) {
  for (const part of parts) changed.add(part);
  if (frame) return;
  frame = requestAnimationFrame(flush);
  timer = setTimeout(flush, 200);
}

export const store = {
  /** @type {null | {name: string, admin: boolean, busy: boolean, reply: string, hidden: boolean, held: number}} */
  me: null,
  link: "offline",
  can: new Set(),
  limits: { characters: 0 },
  /** @type {Map<string, Conversation>} */
  conversations: new Map(),
  /** Every room that can be found. @type {Map<string, any>} */
  rooms: new Map(),
  /** @type {Map<string, {name: string, here: boolean, busy: boolean, idle: boolean, seen: number}>} */
  people: new Map(),
  /** What may notify, where somebody has said so. @type {Map<string, 'all'|'mentions'|'none'>} */
  notices: new Map(),
  /** @type {string | null} */
  open: null,
  /** Where drafts and messages are kept: 'all', 'drafts' or 'nothing'. */
  kept: "all",
  /** Be told when a part changes. @param {string} part @param {(part: string) => void} fn @returns {() => void} */
  subscribe(part, fn) {
    if (!subscribers.has(part)) subscribers.set(part, new Set());
    subscribers.get(part).add(fn);
    return () => subscribers.get(part).delete(fn);
  },
};

/** How a key that differs in case alone is spelled here. */
function spelled(key) {
  if (store.conversations.has(key)) return key;
  const folded = fold(key);
  for (const each of store.conversations.keys()) if (fold(each) === folded) return each;
  return key;
}

/** The conversation `key`, made where there is none. */
export function conversation(key) {
  let found = store.conversations.get(spelled(key));
  if (!found) {
    found = new Conversation(key);
    store.conversations.set(key, found);
    touch("conversations");
  }
  return found;
}

/** The key of a private conversation with `names`; oneself is left out, unless alone. */
export function keyWith(names) {
  const others = new Map();
  for (const each of names) if (!isMe(each)) others.set(fold(each), each);
  if (!others.size) return spelled(store.me?.name ?? names[0]);
  return spelled([...others.values()].sort(byName).join(","));
}

/** The key of the conversation that an event or a message belongs to. */
export function keyOf(event) {
  if (event.room !== undefined) return spelled(`#${event.room}`);
  if (event.with !== undefined) return keyWith([event.with].flat());
  return keyWith([event.from, ...(event.to ?? [])]);
}

/** A message as the store has it. @returns {Message} */
export function messageOf(event) {
  return {
    seq: event.seq, at: Date.parse(event.at), from: event.from, text: event.text ?? "", kind: event.kind ?? "",
    replyTo: event.reply_to ?? 0, mentions: event.mentions ?? [], edited: Boolean(event.edited),
    deleted: Boolean(event.deleted), reactions: new Map(Object.entries(event.reactions ?? {})), own: isMe(event.from),
  };
}

/** Where `seq` is in a list, or would be. @param {Message[]} list @param {number} seq */
export function place(list, seq) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The message `seq` in a list. @param {Message[]} list @returns {Message | undefined} */
export function at(list, seq) {
  const found = list[place(list, seq)];
  return found?.seq === seq ? found : undefined;
}

/** Put rows (ascending) into a list at their places; a row that is there is replaced. */
export function merge(list, rows) {
  if (rows.length && list.length && rows[rows.length - 1].seq < list[0].seq) {
    list.unshift(...rows);
    return;
  }
  for (const row of rows) {
    const there = place(list, row.seq);
    list.splice(there, list[there]?.seq === row.seq ? 1 : 0, row);
  }
}

/** Add what is the newest (or among the newest) of a conversation. */
export function add(c, row) {
  const known = at(c.tail.list, row.seq);
  merge(c.tail.list, [row]);
  c.newest = Math.max(c.newest, row.seq);
  if (row.kind !== "change") c.last = Math.max(c.last, row.at);
  db.keep(c.key, row);
  touch(`messages:${c.key}`);
  return !known;
}

function count(c, m) {
  if (m.own || m.kind === "change" || m.seq <= Math.max(c.read, c.counted)) return;
  c.unread = Math.min(MOST_SHOWN, c.unread + 1);
  if (m.mentions.some(isMe)) c.mentions = Math.min(MOST_SHOWN, c.mentions + 1);
  if (c.key === store.open && !c.newFrom && !document.hasFocus()) c.newFrom = m.seq;
  touch("conversations");
}

/** Change a message where it is: a changed one is a new object. */
function amend(c, seq, change) {
  let found = null;
  for (const { list } of new Set([c.tail, c.view])) {
    const there = place(list, seq);
    if (list[there]?.seq !== seq) continue;
    found = list[there] = { ...list[there], ...change(list[there]) };
    if (list === c.tail.list) db.keep(c.key, found);
  }
  if (found) touch(`messages:${c.key}`);
}

function reacted(message, event) {
  const reactions = new Map(message.reactions);
  const names = (reactions.get(event.reaction) ?? []).filter((each) => fold(each) !== fold(event.from));
  if (event.on) names.push(event.from);
  if (names.length) reactions.set(event.reaction, names);
  else reactions.delete(event.reaction);
  return { reactions };
}

const AMENDS = {
  edited: (event) => () => ({ text: event.text, mentions: event.mentions ?? [], edited: true }),
  deleted: () => () => ({ text: "", deleted: true, reactions: new Map(), mentions: [] }),
  reacted: (event) => (message) => reacted(message, event),
};

/** Take in one event that has a `seq`. @returns {{key: string, message: Message} | null} what is new to read */
export function take(event) {
  const key = keyOf(event);
  if (event.event === "room") return roomChanged(key, event);
  const c = conversation(key);
  if (event.event !== "message") {
    c.newest = Math.max(c.newest, event.seq);
    amend(c, event.target, AMENDS[event.event](event));
    return null;
  }
  const message = messageOf(event);
  if (c.typing.delete(event.from)) touch(`typing:${key}`);
  if (!add(c, message)) return null;
  count(c, message);
  touch("conversations");
  return { key, message };
}

/** How an own action that was answered becomes what all others see. */
export function mine(c, seq, event) {
  return take({ ...event, seq, at: new Date().toISOString(), from: store.me?.name, ...(c.room ? { room: c.room } : { to: c.with }) });
}

function roomChanged(key, event) {
  const about = isMe(event.name ?? event.from);
  const { change } = event;
  if (about && (change === "removed" || change === "left")) return forget(key);
  if (about && (change === "invited" || change === "withdrawn")) {
    const room = store.rooms.get(event.room) ?? { name: event.room, access: "closed", people: 0 };
    store.rooms.set(event.room, { ...room, invited: change === "invited" });
    touch("conversations");
    return null;
  }
  const c = conversation(key);
  if (change === "joined" || change === "made") {
    c.people += about ? 0 : 1;
    c.joined ||= about;
  } else if (change === "left" || change === "removed") c.people = Math.max(0, c.people - 1);
  else if (change === "topic") c.topic = event.topic ?? "";
  else if (change === "set") for (const each of ["access", "speaking", "history"]) c[each] = event[each] ?? c[each];
  else if (change === "role" && about) c.role = event.role ?? "";
  add(c, {
    ...messageOf(event), kind: "change", change, name: event.name, role: event.role,
    minutes: event.minutes, reason: event.reason, topic: event.topic,
  });
  touch("conversations");
  return null;
}

/** One is no longer in a room: nothing of it stays but what is not sent. */
export function forget(key) {
  const c = store.conversations.get(spelled(key));
  if (!c) return null;
  c.joined = false;
  c.role = "";
  c.unread = c.mentions = c.newFrom = 0;
  empty(c);
  const room = store.rooms.get(c.room);
  if (room) store.rooms.set(c.room, { ...room, role: "", unread: 0, mentions: 0 });
  if (!c.waiting.length && !c.draft.text && store.open !== c.key) store.conversations.delete(c.key);
  touch("conversations");
  return null;
}

/** Throw the messages of a conversation away: they are at the server, or nowhere. */
export function empty(c) {
  c.view = c.tail = { list: [], start: false, end: true };
  c.gap = 0;
  db.drop(c.key);
  touch(`messages:${c.key}`, "conversations");
}

/** Nothing up to `since` is followed without a gap by what came after it. */
export function gap(since, first, more) {
  for (const c of store.conversations.values()) {
    const kept = c.tail.list.filter((each) => each.seq >= Math.max(first, since + 1));
    if (!kept.length && c.newest <= since) continue;
    empty(c);
    merge(c.tail.list, kept);
    for (const each of kept) db.keep(c.key, each);
    c.gap = since && kept.length ? more : 0;
  }
}

/** Take in the answers to `conversations` and `rooms`. */
export function listed(conversations, rooms) {
  store.rooms = new Map(rooms.map((each) => [each.name, each]));
  const there = new Set();
  for (const each of conversations) {
    const c = conversation(keyOf(each));
    there.add(c.key);
    if (each.with) c.title = each.with.join(", ");
    c.joined = true;
    c.read = Math.max(c.read, each.read);
    c.newest = Math.max(c.newest, each.newest);
    c.counted = each.newest;
    c.unread = each.unread;
    c.mentions = each.mentions;
    const later = c.tail.list.filter((m) => m.seq > each.newest && m.seq > c.read);
    for (const m of later) count(c, m);
  }
  for (const each of rooms) {
    const c = store.conversations.get(`#${each.name}`);
    if (c) described(c, each);
  }
  for (const c of [...store.conversations.values()])
    if (c.room !== null && c.joined && !there.has(c.key)) forget(c.key);
  touch("conversations", "open");
}

/** Take in how the server describes a room. */
export function described(c, room) {
  Object.assign(c, {
    topic: room.topic ?? "", access: room.access, speaking: room.speaking ?? "everyone", history: room.history ?? "all",
    people: room.people, role: room.role ?? "", joined: Boolean(room.role), invited: Boolean(room.invited),
  });
}

/** Somebody has read a conversation: this person, here or on another device. */
export function readUpTo(c, upto) {
  if (upto <= c.read && !c.unread) return;
  c.read = Math.max(c.read, upto);
  const left = c.tail.list.filter((m) => m.seq > c.read && !m.own && m.kind !== "change");
  c.unread = c.newest <= c.read ? 0 : Math.min(c.unread, left.length);
  c.mentions = Math.min(c.mentions, left.filter((m) => m.mentions.some(isMe)).length);
  touch("conversations");
}

/** Somebody is typing. */
export function typing(event) {
  const key = keyOf(event);
  const c = store.conversations.get(key);
  if (!c || isMe(event.from)) return;
  c.typing.set(event.from, Date.now() + TYPING);
  touch(`typing:${key}`);
  setTimeout(() => {
    if ((c.typing.get(event.from) ?? Infinity) > Date.now()) return;
    c.typing.delete(event.from);
    touch(`typing:${key}`);
  }, TYPING + 50);
}

/** Note what is known of a person. */
export function person(name, known) {
  const before = store.people.get(name) ?? { name, here: false, busy: false, idle: false, seen: 0 };
  store.people.set(name, { ...before, ...known });
  touch("people");
}

const STATES = {
  online: () => ({ here: true, idle: false, seen: Date.now() }),
  offline: () => ({ here: false, busy: false, idle: false, seen: Date.now() }),
  busy: () => ({ here: true, busy: true }),
  idle: () => ({ here: true, busy: false }),
};

/** Take in a presence event. */
export function presence(event) {
  const known = STATES[event.state];
  if (known) person(event.name, known());
}
