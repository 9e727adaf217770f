// @ts-check
import { mountComposer } from "./composer.js";
import * as db from "./db.js";
import { setting, toast } from "./dom.js";
import { mountList } from "./list.js";
import * as outbox from "./outbox.js";
import * as past from "./past.js";
import { mountHead, mountSidebar } from "./sidebar.js";
import {
  conversation, empty, fold, forget, gap, isMe, keyOf, keyWith, listed, person, presence, readUpTo, store, take, touch, typing,
} from "./store.js";
import { t } from "./words.js";
import { session, wire } from "./wire.js";

const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const ACCOUNT = "chat:account";
const NUMBERED = new Set(["message", "edited", "deleted", "reacted", "room"]);
const MONTH = 43_200;
const SOON = 300;
/** After so long the rest is loaded also where there is no link. */
const LATE = 2000;
const narrow = matchMedia("(max-width: 899px)");

let account = "";
/** Everything up to this number has come. */
let since = 0;
/** What is being replayed: the first message and the newest number; null while nothing is. */
let replay = null;
let hole = null;
let listing = false;
let refreshing = 0;
let resumed = false;

/* Routes */

/** Where we are: {view: 'list'|'talk'|'search', key, query}. */
export function current() {
  const [, kind, name = ""] = location.pathname.split("/");
  const word = decoded(name);
  if (kind === "r" && word) return { view: "talk", key: spelled(`#${word}`), query: "" };
  if (kind === "u" && word) return { view: "talk", key: spelled(keyWith(word.split(","))), query: "" };
  if (kind === "s") return { view: "search", key: store.open, query: new URLSearchParams(location.search).get("q") ?? "" };
  return { view: "list", key: null, query: "" };
}

/** What stands in a path, which anybody can have written. */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return "";
  }
}

/** As the server spells it, where that is known. */
function spelled(key) {
  for (const each of store.conversations.keys()) if (fold(each) === fold(key)) return each;
  for (const each of store.rooms.keys()) if (fold(`#${each}`) === fold(key)) return `#${each}`;
  if (key.startsWith("#")) return key;
  const people = new Map([...store.people.keys()].map((each) => [fold(each), each]));
  return key.split(",").map((each) => people.get(fold(each)) ?? each).join(",");
}

/** The path of a conversation. @param {string} key */
export const pathOf = (key) => (key.startsWith("#") ? `/r/${encodeURIComponent(key.slice(1))}` : `/u/${key.split(",").map(encodeURIComponent).join(",")}`);

/**
 * Go to a path. What stands beside the talk stays there, where there is room for both, unless `keep` is false.
 * @param {string} path @param {{replace?: boolean, seq?: number, keep?: boolean}} [options]
 */
export function go(path, { replace = false, seq = 0, keep = true } = {}) {
  const here = location.pathname + location.search;
  const kept = keep && !narrow.matches && !path.startsWith("/s?") ? beside() : null;
  history[replace || path === here ? "replaceState" : "pushState"]({ seq, panel: kept }, "", path);
  routed();
}

function beside() {
  const { view, query } = current();
  return view === "search" ? { what: "search", about: query } : store.panel;
}

/** Go to a conversation, or to a message in it. @param {string} key @param {number} [seq] */
export const goTo = (key, seq = 0) => go(pathOf(key), { seq });

function routed() {
  if (!store.me) return;
  const { view, key } = current();
  store.panel = history.state?.panel ?? null;
  $("panel").hidden = !store.panel && view !== "search";
  document.body.dataset.view = view === "search" || store.panel ? "panel" : view;
  if (!$("panel").hidden) rest().catch(toast);
  if (view !== "search") opened(key);
  touch("open");
}

function opened(key) {
  const before = store.open;
  if (before !== key) {
    if (before !== null && store.conversations.has(before)) left(conversation(before));
    store.open = key;
    if (key !== null) {
      const c = conversation(key);
      c.newFrom = firstUnread(c);
      visit(c);
    }
    touch("conversations");
  }
  const seq = history.state?.seq;
  if (key !== null && seq) past.around(key, seq).catch(toast);
}

/** Where the line stands behind which something is new, or 0. */
function firstUnread(c) {
  if (!c.unread) return 0;
  return c.tail.list.find((each) => each.seq > c.read && !each.own && each.kind !== "change")?.seq ?? c.read + 1;
}

/** A conversation is no longer looked at; one of which there is nothing is not kept. */
function left(c) {
  c.newFrom = 0;
  past.leavePast(c.key);
  if ((c.joined && (c.room !== null || c.newest)) || c.draft.text || c.waiting.length) return;
  empty(c);
  store.conversations.delete(c.key);
}

/** Load what there is to see of a conversation that is looked at, once there is a link. */
function visit(c) {
  if (c.key !== store.open) return;
  if (wire.state === "online") past.tail(c.key).catch((error) => error.code !== "offline" && c.joined && toast(error));
}

/** Show something in the panel, or close it. @param {string | null} what @param {any} [about] */
export function panel(what, about = null) {
  const { panel: open, pushed } = history.state ?? {};
  if (!what && pushed) return history.back();
  const push = what && !open && narrow.matches;
  const next = { ...history.state, panel: what ? { what, about } : null, pushed: push || (pushed && Boolean(what)) };
  history[push ? "pushState" : "replaceState"](next, "", location.pathname + location.search);
  routed();
}

addEventListener("popstate", routed);

/* What is loaded later */

let loading = null;
/** Whether all of the page is there. */
export let whole = false;

/** Load what the first view does without: once that stands, or when it is asked for before. */
async function load() {
  const [panel, palette, tools, search, notify] = await Promise.all([
    import("./panel.js"), import("./palette.js"), import("./tools.js"), import("./search.js"), import("./notify.js"), import("./login.js"),
  ]);
  panel.mountPanel($("panel"));
  search.mountSearch($("panel"));
  palette.mountPalette();
  tools.mountTools();
  notify.mountNotify();
  whole = true;
  return { ...panel, ...palette, ...tools };
}

/** What is loaded later: `{showPanel, openPalette, …}`. @returns {Promise<any>} */
export function rest() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** Do what is loaded later, by its name. @param {string} [name] @param {...any} given */
export const later = (name, ...given) => rest().then((all) => name && all[name](...given), toast);

/** The colours that were chosen in this browser. */
export function dress() {
  const theme = setting("theme") ?? "";
  if (["light", "dark"].includes(theme)) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/* Starting and ending */

let login = null;

function logIn() {
  $("login").hidden = false;
  login ??= import("./login.js").then(({ mountLogin }) => mountLogin($("login"))).catch(toast);
}

async function begin(name) {
  account = fold(name);
  resumed = false;
  store.kept = await db.open(account);
  const kept = await db.load();
  store.conversations = new Map();
  store.people = new Map();
  store.rooms = new Map();
  store.open = null;
  store.me = { name, admin: false, busy: false, reply: "", hidden: false, held: 0, ...kept.meta.get("me") };
  since = kept.meta.get("since") ?? 0;
  store.notices = kept.meta.get("notify") ?? new Map();
  for (const known of kept.meta.get("conversations") ?? []) {
    const { startsAt, ...rest } = known;
    const c = Object.assign(conversation(known.key), rest);
    const rows = c.joined ? kept.messages.get(c.key) : null;
    if (!rows) continue;
    c.tail.list = rows;
    c.tail.start = rows[0].seq === startsAt;
  }
  outbox.restore(account, kept);
  if (store.kept === "drafts") toast(t("storageSmall"));
  if (store.kept === "nothing") toast(t("storageOff"));
  $("login").hidden = true;
  $("app").hidden = false;
  touch("me", "conversations", "people", "link");
  routed();
  wire.start(() => ({ since }));
  setTimeout(later, LATE);
}

function remember(name) {
  try {
    if (name === null) localStorage.getItem(ACCOUNT) === account && localStorage.removeItem(ACCOUNT);
    else localStorage.setItem(ACCOUNT, name);
  } catch {
    // Without it one logs in again after a reload.
  }
}

function ended(event) {
  remember(null);
  outbox.writeDrafts();
  db.forget(); // nothing that was said stays in a browser that may not read it any more
  db.close();
  store.me = null;
  store.link = "logged_out";
  store.ended = event.text ?? "";
  $("app").hidden = true;
  logIn();
  touch("me", "link");
}

function snapshot() {
  if (!store.me) return;
  db.meta("me", store.me);
  db.meta("conversations", [...store.conversations.values()].map((c) => ({
    key: c.key, topic: c.topic, access: c.access, speaking: c.speaking, history: c.history, role: c.role, people: c.people,
    joined: c.joined, newest: c.newest, read: c.read, unread: c.unread, mentions: c.mentions, counted: c.counted,
    last: c.last, gap: c.gap, startsAt: c.tail.start ? c.tail.list[0]?.seq : 0,
  })));
}

/* What the server says */

const HEARD = {
  hello(event) {
    store.can = new Set(event.can);
    store.limits = { characters: event.most_characters ?? 0 };
    resumed = false;
  },
  link({ state }) {
    if (state !== "logged_out") store.link = state;
    touch("link");
    if (state !== "online") return;
    outbox.drain();
    if (store.open !== null) visit(conversation(store.open));
  },
  login({ name }) {
    remember(fold(name));
    begin(name).catch(toast);
  },
  ended,
  resumed: greeted,
  read(event) {
    readUpTo(conversation(keyOf(event)), event.upto);
  },
  typing,
  presence,
  replayed,
};

function greeted(reply) {
  if (fold(reply.name) !== account) {
    // Another tab of this browser has logged in as somebody else.
    remember(fold(reply.name));
    wire.stop();
    return location.reload();
  }
  resumed = true;
  store.me = { ...store.me, name: reply.name, busy: reply.busy, hidden: reply.hidden, held: reply.busy ? reply.missed : 0 };
  const known = [...store.conversations.values()].map((c) => Math.max(c.newest, c.tail.list.at(-1)?.seq ?? 0));
  if (reply.seq < Math.max(since, ...known)) putBack(reply.seq);
  replay = reply.replay ? { first: Infinity, top: since } : null;
  hole = null;
  if (!reply.replay && !reply.busy) reached(reply.seq);
  for (const [name] of store.people) person(name, { here: false });
  for (const name of reply.online) person(name, { here: true });
  touch("me", "people");
  listing = true;
  queueMicrotask(() => list().catch((error) => error.code !== "offline" && toast(error)));
}

function putBack(seq) {
  for (const c of store.conversations.values()) {
    empty(c);
    c.newest = c.read = c.counted = c.unread = c.mentions = 0;
  }
  since = Math.min(since, seq);
  db.meta("since", since);
  outbox.newestIs(seq).catch(toast);
}

async function list() {
  const [conversations, rooms, who, last] = await Promise.all([
    wire.request("conversations"), wire.request("rooms"), wire.request("who"), wire.request("last", { minutes: MONTH }),
  ]);
  listed(conversations.conversations, rooms.rooms);
  listing = false;
  closeHole();
  const open = store.open === null ? null : conversation(store.open);
  if (open && !open.newFrom) open.newFrom = firstUnread(open);
  for (const each of last.users) person(each.name, { here: each.online, seen: Date.now() - each.seconds_ago * 1000 });
  for (const each of who.users) person(each.name, { here: true, busy: each.busy, idle: each.idle_seconds > 600 });
  if (store.me?.busy) {
    const status = await wire.request("status");
    store.me = { ...store.me, reply: status.reply ?? "", held: status.held };
    touch("me");
  }
  if (store.open !== null) routed();
  later();
}

/** Ask again which rooms there are, and what one may do there: done on another device, one is not told. */
function refresh() {
  refreshing ||= setTimeout(async () => {
    refreshing = 0;
    const [conversations, rooms] = await Promise.all([wire.request("conversations"), wire.request("rooms")]).catch(() => []);
    if (rooms) listed(conversations.conversations, rooms.rooms);
  }, SOON);
}

/** Everything up to `seq` has come; while one is busy things are held back. */
function reached(seq) {
  if (hole) hole.top = Math.max(hole.top, seq);
  if (hole || store.me?.busy || seq <= since) return;
  since = seq;
  db.meta("since", since);
}

function replayed(event) {
  const { first, top } = replay ?? { first: Infinity, top: 0 };
  replay = null;
  if (event.more > 0) {
    hole = { since, first, more: event.more, top };
    if (!listing) closeHole();
  }
  reached(top);
}

/** Where a replay left something out, conversations begin anew behind it. */
function closeHole() {
  if (!hole) return;
  const { first, more, top } = hole;
  gap(hole.since, first, more);
  hole = null;
  reached(top);
}

function numbered(event) {
  if (event.replay) {
    replay ??= { first: Infinity, top: 0 };
    replay.top = Math.max(replay.top, event.seq);
    if (event.event === "message") replay.first = Math.min(replay.first, event.seq);
  } else reached(event.seq);
  if (event.event === "room" && event.change === "removed" && isMe(event.name) && !isMe(event.from)) {
    const words = { by: event.from, room: event.room, reason: event.reason };
    if (store.conversations.get(`#${event.room}`)?.joined) toast(t(event.reason ? "removedWhy" : "removedFrom", words));
  }
  if (event.event === "room" && isMe(event.name ?? event.from) && !event.replay) refresh();
  const fresh = take(event);
  if (fresh) for (const each of arrivals) each(fresh.message, fresh.key, Boolean(event.replay));
}

const arrivals = new Set();
/** Be told of every message that is new here: (message, key, replayed). */
export function onMessage(fn) {
  arrivals.add(fn);
}

wire.on((event) => {
  if (NUMBERED.has(event.event)) {
    if (resumed) numbered(event);
  } else HEARD[event.event]?.(event);
});

store.subscribe("conversations", snapshot);
// Another tab has logged in.
addEventListener("storage", ({ key, newValue }) => key === ACCOUNT && newValue && !store.me && begin(newValue).catch(toast));

async function start() {
  mountSidebar($("side"));
  mountList($("list"));
  mountComposer($("composer"));
  mountHead($("head"));
  dress();
  let name = null;
  try {
    name = localStorage.getItem(ACCOUNT);
  } catch {
    // Nothing is remembered.
  }
  name ||= await session();
  if (name) return begin(fold(name)).catch(toast);
  store.link = "logged_out";
  logIn();
  touch("link");
}

start();
