// @ts-check
import * as db from "./db.js";
import { at, conversation, described, forget, mine, readUpTo, store, take, touch } from "./store.js";
import { on, request, state, tell, logout as end } from "./wire.js";
import { ask } from "./dom.js";
import { unsent } from "./outbox.js";
import { t } from "./words.js";

const PATIENCE = 30_000;
const TYPING = 3000;
const typed = new Map();

/** Resolves when there is a link again; rejects with `error` when that takes too long. */
function online(error) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => (stop(), reject(error)), PATIENCE);
    const stop = on((event) => {
      if (event.event !== "link" || event.state !== "online") return;
      clearTimeout(timer);
      stop();
      resolve(undefined);
    });
  });
}

/** Do something exactly once, also when the link breaks before the answer. */
async function perform(op, fields) {
  const asked = { ...fields, key: crypto.randomUUID() };
  for (let sent = state === "online"; ; ) {
    try {
      return await request(op, asked);
    } catch (error) {
      if (error.code !== "offline" || !sent) throw error;
      await online(error);
    }
  }
}

function holder(seq) {
  for (const c of store.conversations.values())
    if (at(c.view.list, seq) || at(c.tail.list, seq)) return c;
  return null;
}

async function amend(op, seq, fields, event) {
  const c = holder(seq);
  const reply = await perform(op, { target: seq, ...fields });
  if (c) mine(c, reply.seq, { ...event, target: seq });
  return reply;
}

/** Correct an own message. */
export const edit = (seq, text) => amend("edit", seq, { text }, { event: "edited", text });
/** Take a message away. */
export const remove = (seq, ...more) => (typeof seq === "string" ? removeFrom(seq, ...more) : amend("delete", seq, {}, { event: "deleted" }));
/** React to a message, or, where `on` is false, no longer. */
export const react = (seq, emoji, on = true) => amend("react", seq, { reaction: emoji, on }, { event: "reacted", reaction: emoji, on });

/** Say that one is typing; at most every three seconds. */
export function typing(key) {
  if (store.me?.hidden || !store.can.has("typing") || Date.now() - (typed.get(key) ?? 0) < TYPING) return;
  if (tell("typing", conversation(key).target)) typed.set(key, Date.now());
}

/** A conversation has been looked at to its end. */
export async function markRead(key) {
  const c = conversation(key);
  const last = c.tail.list[c.tail.list.length - 1]?.seq ?? 0;
  const upto = Math.max(c.newest, last);
  if (upto <= c.read && !c.unread) return;
  if (!c.joined) return;
  const reply = await request("read", { ...c.place, upto });
  readUpTo(c, reply.upto);
  if ([...store.conversations.values()].every((each) => !each.unread)) tell("ack", { upto: reply.upto });
}

function me(change) {
  if (store.me) store.me = { ...store.me, ...change };
  touch("me");
}

/** Hold words back; `reply` is said meanwhile. */
export async function busy(reply = "") {
  const answer = await request("busy", reply ? { reply } : {});
  me({ busy: true, reply });
  return answer;
}

/** Hold them back no longer. */
export async function idle() {
  const answer = await request("idle");
  me({ busy: false, reply: "", held: 0 });
  return answer;
}

/** Look logged out to all others. */
export async function hide() {
  const answer = await request("hide");
  me({ hidden: true });
  return answer;
}

/** Be seen again. */
export async function appear() {
  const answer = await request("appear");
  me({ hidden: false });
  return answer;
}

function happened(room, reply, event) {
  if (!reply.duplicate)
    take({ event: "room", seq: reply.seq, at: new Date().toISOString(), from: store.me?.name, room, ...event });
}

/** Make a room. @param {string} room @param {{access?: string, speaking?: string, history?: string}} [options] */
export async function create(room, options = {}) {
  const reply = await perform("create", { room, ...options });
  return entered(reply, "made");
}

/** Join a room. */
export async function join(room) {
  return entered(await perform("join", { room }), "joined");
}

function entered(reply, change) {
  const c = conversation(`#${reply.room.name}`);
  happened(reply.room.name, reply, { change, name: store.me?.name });
  store.rooms.set(reply.room.name, reply.room);
  described(c, reply.room);
  c.joined = true;
  touch("conversations", "open");
  return reply;
}

/** Be in a room no longer. */
export async function leave(room) {
  const reply = await perform("leave", { room });
  forget(`#${room}`);
  return reply;
}

async function about(op, room, fields, event) {
  const reply = await perform(op, { room, ...fields });
  happened(room, reply, event);
  return reply;
}

/** Let somebody join. */
export const invite = (room, name) => about("invite", room, { name }, { change: "invited", name });
const removeFrom = (room, name, reason = "") =>
  about("remove", room, reason ? { name, reason } : { name }, { change: "removed", name, reason });
export { removeFrom as expel };
/** Give a role in a room: owner, moderator, member. */
export const role = (room, name, given) => about("role", room, { name, role: given }, { change: "role", name, role: given });
/** Let somebody be silent in a room for some minutes; 0 ends it. */
export const mute = (room, name, minutes) => about("mute", room, { name, minutes }, { change: "muted", name, minutes });
/** Say what a room is about; empty takes it away. */
export const topic = (room, words) => about("topic", room, { topic: words }, { change: "topic", topic: words });
/** Set a room up: `access`, `speaking`, `history`. */
export const set = (room, options) => about("set", room, options, { change: "set", ...options });

/** What may notify: 'all', 'mentions' or 'none'. */
export function notify(key, what) {
  store.notices.set(key, what);
  db.meta("notify", store.notices);
  touch("conversations");
}

/** End the session of this browser; asks first where something is not sent. @returns whether it ended */
export async function logout() {
  const n = unsent();
  if (n && !(await ask(t("unsent", { n }), t("logOutAnyway"), t("stay")))) return false;
  await end();
  return true;
}
