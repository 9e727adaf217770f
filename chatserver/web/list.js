// @ts-check
import * as actions from "./actions.js";
import { clear, h, icon, toast } from "./dom.js";
import { plain } from "./format.js";
import * as past from "./past.js";
import { changeRow, dayRow, isHead, messageRow, newRow, outgoingRow } from "./row.js";
import { at as messageAt, place as indexIn, store } from "./store.js";
import { day, t } from "./words.js";

/** @typedef {import("./store.js").Message} Message */

const MOST = 300; // rows in the page
const STEP = 25; // that are added at a time: as many as fit into a frame
const BEGIN = 60; // with which a conversation begins
const NEAR = 32; // px from the end that count as the end
const READ = 1000; // ms in view until read
const SETTLE = 3000; // ms in which what comes first may still change where one begins

/** @type {HTMLElement} */ let box; // what scrolls
/** @type {HTMLElement} */ let top;
/** @type {HTMLElement} */ let rows;
/** @type {HTMLElement} */ let newest;
/** @type {HTMLElement} */ let said;

/** What is shown: of conversation `key` the messages from `first` to `last`, both a `seq`. */
let key = "";
let first = 0;
let last = Infinity;
let pinned = true; // the end is in view and stays so
let left = 0; // the newest `seq` when the end was left
let mine = 0; // when the newest own message was written that was followed
let heard = 0; // up to where was announced
let view = /** @type {any} */ (null); // the stretch that was drawn
let drawn = 0; // how many messages it had
/** @type {{seq: number, place: "middle" | "new"} | null} */ let goal = null; // where to go with the next drawing
/** @type {{key: string, bottom: number, scroll: number} | null} */ let anchor = null;
/** @typedef {{element: HTMLElement, of: any, sign: string}} Shown */
/** @type {Map<string, Shown>} */ let shown = new Map();
/** @type {Map<string, Promise<any>>} */ const loading = new Map();
let failed = "";
let settling = 0; // a timer; until then, and while nobody has touched it, the list is where it should begin
let stop = () => {};
let reading = 0;
let announcing = 0;

/** Draws the open conversation into `el`. @param {HTMLElement} el */
export function mountList(el) {
  el.setAttribute("aria-live", "off"); // what is new is said by `said`, at most once a second
  el.setAttribute("aria-label", t("messages"));
  said = h("div", { class: "hide-visually", "aria-live": "polite" });
  top = h("div", { class: "top" });
  rows = h("div", { class: "rows" });
  box = h("div", { class: "scroll" }, top, rows);
  newest = h("button", { type: "button", class: "newest", hidden: true, onclick: () => toNewest(true) });
  clear(el, box, newest, said);
  box.addEventListener("scroll", scrolled, { passive: true });
  for (const touched of ["wheel", "touchmove", "pointerdown", "keydown"]) el.addEventListener(touched, () => { settling = 0; }, { passive: true });
  const resized = new ResizeObserver(restore);
  resized.observe(box);
  resized.observe(rows);
  store.subscribe("open", open);
  store.subscribe("me", draw);
  store.subscribe("link", () => { failed = ""; draw(); });
  for (const event of ["focus", "blur"]) addEventListener(event, look);
  document.addEventListener("visibilitychange", look);
  open();
}

const conversation = () => store.conversations.get(key);

/** Another conversation: at what is new, or at the end. */
function open() {
  const seq = history.state?.seq;
  if (seq) history.replaceState({ ...history.state, seq: 0 }, "");
  if ((store.open ?? "") === key && view) return seq ? jump(seq) : draw();
  stop();
  key = store.open ?? "";
  const c = conversation();
  rows.replaceChildren();
  shown = new Map();
  anchor = null;
  view = null;
  failed = "";
  pinned = true;
  mine = c?.waiting.at(-1)?.at ?? 0;
  settling = Infinity;
  goal = null;
  if (c) {
    const parts = [`messages:${key}`, "conversations"].map((part) => store.subscribe(part, draw));
    stop = () => parts.forEach((end) => end());
  } else stop = () => {};
  if (seq) jump(seq);
  draw();
}

/** Goes to a message of this conversation, loading what is around it. @param {number} seq */
async function jump(seq) {
  const where = key;
  settling = 0;
  goal = { seq, place: "middle" };
  const there = await past.around(where, seq).catch(toast);
  if (where !== key) return;
  if (!there) goal = null;
  if (there === false) toast(t("noSuchMessage"));
  draw();
}

/** Goes to the newest message. @param {boolean} [focus] whether the last row takes the focus */
export async function toNewest(focus = false) {
  const c = conversation();
  if (!c) return;
  if (!c.atEnd) {
    try {
      await past.tail(key);
    } catch (error) {
      return toast(error);
    }
  }
  goal = null;
  settling = 0;
  pinned = true;
  last = Infinity;
  draw();
  if (focus) /** @type {HTMLElement | null} */ (rows.querySelector(".message:last-child"))?.focus({ preventScroll: true });
}

/** What the tools of the rows have to do with. */
export const listed = () => ({ rows, jump, of: (/** @type {string} */ name) => shown.get(name)?.of, conversation });

/** Scrolls a page up (-1) or down (1). @param {number} direction */
export const page = (direction) => box.scrollBy({ top: direction * box.clientHeight * 0.9 });

/** Brings the page to what the store has, and leaves what is read where it is. */
function draw() {
  const c = conversation();
  if (!c) {
    rows.replaceChildren();
    shown = new Map();
    box.classList.add("empty");
    clear(top, store.open === null && h("p", { class: "quiet" }, t("chooseConversation")));
    return update();
  }
  const sent = c.waiting.at(-1)?.at ?? 0;
  if (sent > mine) follow(sent);
  if (!pinned && anchor?.scroll !== box.scrollTop) keep(); // scrolled since, and not told yet
  const list = c.messages;
  if (view !== list || !drawn) another(c, list);
  settle(c, list);
  drawn = list.length;
  view = list;
  if (pinned) last = Infinity;
  if (goal) aim(list);
  let [low, high] = range(list);
  if (high - low > MOST) {
    if (pinned) low = high - (MOST - STEP);
    else high = low + MOST;
    bound(list, low, high);
  }
  fill(c, list, low, high);
  caption(c, low);
  if (goal) arrive(list);
  else restore();
  announce(c, list);
  update();
  requestAnimationFrame(more);
}

/** What one says is seen, wherever one was. @param {number} sent */
function follow(sent) {
  mine = sent;
  settling = 0;
  goal = null;
  pinned = true;
  if (!conversation()?.atEnd) past.tail(key).catch(toast);
}

/** Another stretch of the past, or the first. @param {any} c @param {Message[]} list */
function another(c, list) {
  if (view && drawn && list.length && first <= list[list.length - 1].seq && last >= list[0].seq) return;
  pinned = !goal && c.atEnd;
  bound(list, list.length - BEGIN, list.length);
  heard = list[list.length - 1]?.seq ?? 0;
}

/** Where one begins: at what is new, or at the end. @param {any} c @param {Message[]} list */
function settle(c, list) {
  if (!list.length || performance.now() > settling) return;
  if (settling === Infinity && store.link === "online") settling = performance.now() + SETTLE;
  const from = c.newFrom ? indexIn(list, c.newFrom) : list.length;
  if (from < list.length) goal = { seq: list[from].seq, place: "new" };
  else pinned = c.atEnd;
  if (goal && from === 0) settling = 0; // what is new begins further up: one scrolls there
}

/** @param {Message[]} list @param {number} low @param {number} high */
function bound(list, low, high) {
  first = low > 0 ? list[low].seq : 0;
  last = high < list.length ? list[Math.max(0, high - 1)].seq : Infinity;
}

/** @param {Message[]} list */
const range = (list) => [indexIn(list, first), last === Infinity ? list.length : indexIn(list, last + 1)];

/** Puts the window around the goal. @param {Message[]} list */
function aim(list) {
  const at = indexIn(list, goal?.seq ?? 0);
  if (list[at]?.seq !== goal?.seq) return; // not loaded yet
  const [low, high] = range(list);
  pinned = false;
  if (at < low + 20 || at >= high) bound(list, Math.max(0, at - BEGIN), Math.min(list.length, at + BEGIN));
}

/** The goal is drawn: shows it. @param {Message[]} list */
function arrive(list) {
  if (!goal) return;
  const one = shown.get(String(goal.seq));
  if (!one || list[indexIn(list, goal.seq)]?.seq !== goal.seq) return restore();
  const { place } = goal;
  goal = null;
  const target = place === "new" ? shown.get("new")?.element ?? one.element : one.element;
  const space = place === "middle" ? (box.clientHeight - target.offsetHeight) / 2 : box.clientHeight * 0.25;
  box.scrollTop += target.getBoundingClientRect().top - box.getBoundingClientRect().top - Math.max(8, space);
  pinned = atEnd();
  left = place === "new" ? (conversation()?.newFrom ?? 1) - 1 : conversation()?.newest ?? 0;
  keep();
  if (place === "new") return;
  one.element.classList.add("lit");
  setTimeout(() => one.element.classList.remove("lit"), 2000);
  if (place === "middle") one.element.focus({ preventScroll: true });
}

/** Makes what is missing, removes what is over, keeps the rest. @param {any} c @param {Message[]} list @param {number} low @param {number} high */
function fill(c, list, low, high) {
  /** @type {Map<string, Shown>} */ const next = new Map();
  const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest?.("[data-key]"));
  const lost = focused && rows.contains(focused) ? focused : null;
  /** @param {string} name @param {any} of @param {string} sign @param {() => HTMLElement} make */
  const put = (name, of, sign, make) => {
    const before = shown.get(name);
    next.set(name, before && before.of === of && before.sign === sign ? before : { element: make(), of, sign });
  };
  let before = low > 0 ? list[low - 1] : null;
  for (let at = low; at < high; at++) {
    const m = list[at];
    const line = separators(put, before, m, c.newFrom, at === low);
    if (m.kind === "change") put(String(m.seq), m, "", () => changeRow(m));
    else {
      const head = isHead(before, m) || line;
      const quoted = m.replyTo ? messageAt(list, m.replyTo) : null;
      put(String(m.seq), m, `${head}${quoted?.text ?? quoted}${store.me?.name}`, () => messageRow(c, m, head, quoted));
    }
    before = m;
  }
  if (high === list.length && c.atEnd) {
    for (const o of c.waiting) {
      const mine = /** @type {any} */ ({ at: o.at, from: store.me?.name, kind: o.kind, replyTo: o.replyTo });
      const head = isHead(before, mine);
      const quoted = o.replyTo ? messageAt(list, o.replyTo) : null;
      put(`w${o.localKey}`, o, `${head}${store.link}`, () => outgoingRow(o, head, quoted));
      before = mine;
    }
  }
  place(next);
  shown = next;
  if (lost && document.activeElement !== lost && !rows.contains(document.activeElement)) {
    const again = shown.get(lost.dataset.key ?? "")?.element ?? box.querySelector(".message:last-child");
    /** @type {any} */ (again)?.focus({ preventScroll: true });
  }
}

/** The lines for the day and for what is new. @param {Function} put @param {Message | null} before @param {Message} m @param {number} newFrom @param {boolean} begin */
function separators(put, before, m, newFrom, begin) {
  const today = new Date(m.at).toDateString();
  const other = !before || new Date(before.at).toDateString() !== today;
  if (other || begin) {
    const name = `d${m.seq}`;
    put(name, day(m.at), "", () => dayRow(name, m.at));
  }
  const line = newFrom > 0 && m.seq >= newFrom && (!before || before.seq < newFrom);
  if (line) put("new", newFrom, "", newRow);
  return other || begin || line;
}

/** Puts rows into the page in their order, moving as few as possible. @param {Map<string, Shown>} next */
function place(next) {
  for (const [name, one] of shown) if (next.get(name)?.element !== one.element) one.element.remove();
  let cursor = rows.firstElementChild;
  for (const { element } of next.values()) {
    if (element === cursor) cursor = cursor.nextElementSibling;
    else rows.insertBefore(element, cursor);
  }
}

/** What stands above the first row; its height never changes. @param {any} c @param {number} low */
function caption(c, low) {
  const gap = c.gap > 0 && h("button", { type: "button", class: "plain", onclick: () => load("older", true) }, t("gap", { n: c.gap }));
  const again = failed && h("button", { type: "button", class: "plain", onclick: () => load("older", true) }, t("loadFailed"));
  const begins = c.atStart && (c.messages.length || c.waiting.length ? t("beginning", { title: c.title }) : t("nothingSaid"));
  const what = low > 0 ? null : again || gap || begins || (loading.has(key) ? t("loading") : null);
  const sign = typeof what === "string" ? what : what ? what.textContent : "";
  box.classList.toggle("empty", !rows.firstChild);
  if (top.textContent === sign) return;
  clear(top, typeof what === "string" ? h("p", { class: "quiet" }, what) : what);
}

/** Whether the end of the conversation is in view. */
function atEnd() {
  const c = conversation();
  return Boolean(c) && c?.atEnd && last === Infinity && box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
}

/** Remembers the first row in view and where it ends: what is above it may change its height. */
function keep() {
  const from = box.getBoundingClientRect().top;
  const all = rows.children;
  let low = 0;
  let high = all.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].getBoundingClientRect().bottom <= from) low = middle + 1;
    else high = middle;
  }
  let row = /** @type {HTMLElement | null} */ (all[low] ?? null);
  while (row?.matches(".day, .new")) row = /** @type {HTMLElement | null} */ (row.nextElementSibling);
  anchor = row && { key: row.dataset.key ?? "", bottom: row.getBoundingClientRect().bottom - from, scroll: box.scrollTop };
}

/** Puts what is read back to where it was. */
function restore() {
  if (pinned) box.scrollTop = box.scrollHeight;
  else {
    if (!anchor) return;
    const row = (shown.get(anchor.key) ?? nearest(Number(anchor.key)))?.element;
    if (!row) return;
    const moved = row.getBoundingClientRect().bottom - box.getBoundingClientRect().top - anchor.bottom;
    if (Math.abs(moved) > 0.4) box.scrollTop += moved;
    anchor.scroll = box.scrollTop;
  }
}

/** The first row that is not before a `seq` which is no longer there. @param {number} seq */
const nearest = (seq) => [...shown].find(([name]) => Number(name) >= seq)?.[1];

function scrolled() {
  const was = pinned;
  pinned = atEnd();
  if (was && !pinned) left = conversation()?.newest ?? 0;
  keep();
  more();
  update();
}

/** Moves the window, or asks for more, when one comes near its ends. */
function more() {
  const c = conversation();
  if (!c || goal) return;
  const list = c.messages;
  const [low, high] = range(list);
  const near = box.clientHeight * 1.5;
  if (box.scrollTop < near) {
    if (low > 0) return slide(list, low - STEP, Math.min(high, low - STEP + MOST));
    if (!c.atStart) load("older");
  }
  if (box.scrollHeight - box.scrollTop - box.clientHeight < near) {
    if (high < list.length) return slide(list, Math.max(low, high + STEP - MOST), high + STEP);
    if (!c.atEnd) load("newer");
  }
}

/** @param {Message[]} list @param {number} low @param {number} high */
function slide(list, low, high) {
  if (low === 0 && high >= list.length && first === 0 && last === Infinity) return;
  keep();
  bound(list, Math.max(0, low), Math.min(list.length, high));
  draw();
}

/** @param {"older" | "newer"} what @param {boolean} [asked] by a person */
async function load(what, asked = false) {
  if (loading.has(key) || store.link !== "online" || (failed === what && !asked)) return;
  const where = key;
  failed = "";
  loading.set(where, past[what](where));
  try {
    await loading.get(where);
  } catch (error) {
    if (where === key) failed = what;
    if (asked) toast(error);
  }
  loading.delete(where);
  if (where === key) draw();
}

/** The button to the newest, and whether the end is being read. */
function update() {
  const c = conversation();
  const away = Boolean(c) && !pinned && c.messages.length > 0;
  if (away) {
    const list = c.messages;
    let n = c.atEnd ? 0 : c.unread;
    if (c.atEnd) for (let at = list.length - 1; at >= 0 && list[at].seq > left; at--) n += list[at].own || list[at].kind === "change" ? 0 : 1;
    const label = n ? t("newBelow", { n }) : t("newest");
    if (newest.textContent !== label) clear(newest, icon("down"), h("span", null, label));
  }
  newest.hidden = !away;
  look();
}

/** Read is what was at the end, in view, with the window looked at, for a second. */
function look() {
  const c = conversation();
  const looking = Boolean(c?.unread) && pinned && document.hasFocus() && document.visibilityState === "visible";
  if (!looking) {
    clearTimeout(reading);
    reading = 0;
  } else if (!reading) {
    const where = key;
    reading = window.setTimeout(() => {
      reading = 0;
      if (where === key && pinned) Promise.resolve(actions.markRead(where)).catch(() => {});
    }, READ);
  }
}

/** Says what others said meanwhile. @param {any} c @param {Message[]} list */
function announce(c, list) {
  if (!c.atEnd || announcing || (list[list.length - 1]?.seq ?? 0) <= heard) return;
  announcing = window.setTimeout(() => {
    announcing = 0;
    const fresh = (conversation()?.messages ?? []).filter((m) => m.seq > heard && !m.own && m.kind !== "change");
    heard = Math.max(heard, conversation()?.newest ?? 0);
    const m = fresh[fresh.length - 1];
    if (m) said.textContent = (fresh.length > 1 ? t("newBelow", { n: fresh.length }) + ". " : "") + `${m.from}: ${plain(m.text).slice(0, 200)}`;
  }, 1000);
}
