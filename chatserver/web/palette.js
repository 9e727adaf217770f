// Ctrl/⌘-K, `?` and the keys that work everywhere; and the two things that the views around the talk
// are made of: a dialog, and a box to type in with a list of what fits.
import { h, clear, icon, toast } from "./dom.js";
import { t } from "./words.js";
import { wire } from "./wire.js";
import { store } from "./store.js";
import * as actions from "./actions.js";
import { commands, isSlip, load, nextUnread, offer, offers, usageLines } from "./commands.js";
import { toNewest } from "./list.js";
import { go, goTo } from "./main.js";

const SHOWN = 50;
const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const MOD = APPLE ? "⌘" : "Ctrl+";
let ids = 0;

// -- What is shared --

/** A dialog with a title and a button that closes it; the focus goes back to where it was. */
export function dialog(title, ...content) {
  const id = `title-${(ids += 1)}`;
  const box = h("dialog", { class: "window", "aria-labelledby": id });
  box.append(h("div", { class: "window-in" },
    h("header", null, h("h2", { id }, title),
      h("button", { class: "icon", type: "button", "aria-label": t("close"), onClick: () => box.close() }, icon("close"))),
    ...content));
  document.body.append(box);
  return show(box, () => box.remove());
}

function show(box, closed) {
  const before = document.activeElement;
  const outside = (event) => event.target === box && box.close();
  box.addEventListener("click", outside);
  box.addEventListener("close", () => {
    box.removeEventListener("click", outside);
    closed();
    if (document.activeElement === before) before.blur(); // Chromium gives the focus back, but not the caret
    if (before instanceof HTMLElement && before.isConnected && before !== document.body) before.focus({ preventScroll: true });
    else toBox();
  }, { once: true });
  box.showModal();
  return box;
}

/** Put the focus into the box where one writes. @returns that box, if there is one */
export function toBox() {
  const box = document.querySelector("#composer textarea");
  if (box instanceof HTMLTextAreaElement && box.offsetParent) box.focus({ preventScroll: true });
  return box instanceof HTMLTextAreaElement ? box : null;
}

/** Have a list show `items`, `{key, sign, make}`: an element stays while its `sign` does, so that a click
 * or the focus on it is not lost when another one changes. */
export function keyed(list, items) {
  const before = new Map([...list.children].map((each) => [each.dataset.key, each]));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const focusedKey = focused?.closest("[data-key]")?.dataset.key;
  let next = list.firstElementChild;
  for (const { key, sign, make } of items) {
    let element = before.get(key);
    before.delete(key);
    if (element?.dataset.sign !== sign) {
      const made = make();
      Object.assign(made.dataset, { key, sign });
      if (element) {
        if (element === next) next = made;
        element.replaceWith(made);
      }
      element = made;
    }
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const each of before.values()) each.remove();
  if (focused && document.activeElement !== focused && focusedKey !== undefined) {
    list.querySelector(`[data-key="${CSS.escape(focusedKey)}"] :is(a, button)`)?.focus({ preventScroll: true });
  }
}

/** Whether somebody is here, as a shape that has a text. */
export function dot(name) {
  const state = presence(name);
  return h("span", { class: `dot ${state}`, role: "img", "aria-label": t(`is_${state}`) });
}

/** `here`, `busy`, `quiet` or `away`; of oneself `hidden` too. */
export function presence(name) {
  const me = store.me;
  if (me && name === me.name) return me.hidden ? "hidden" : me.busy ? "busy" : "here";
  const person = store.people.get(name);
  if (!person?.here) return "away";
  return person.busy ? "busy" : person.idle ? "quiet" : "here";
}

/** A text in the form in which it is looked for: without case, accents and signs at its beginning. */
export const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/^[#@/]/, "");

/** How well `query` fits a text: 0 is its beginning, 1 the beginnings of its words, 2 within, 3 with a
 * slip of the finger; -1 is not at all. */
export function score(query, text) {
  const whole = fold(text);
  const wanted = fold(query.trim());
  if (whole.startsWith(wanted)) return 0;
  const parts = whole.split(/[^\p{L}\p{N}]+/u);
  const fits = (word) => {
    if (parts.some((part) => part.startsWith(word))) return 1;
    if (whole.includes(word)) return 2;
    const slip = (part) => [-1, 0, 1].some((by) => isSlip(word, part.slice(0, word.length + by)));
    return parts.some(slip) ? 3 : -1;
  };
  const all = wanted.split(/\s+/).map(fits);
  return all.includes(-1) ? -1 : Math.max(...all);
}

/** Those of `entries` whose `label` or `also` fits, the best first. */
export const fitting = (query, entries) => entries
  .map((entry) => ({ entry, by: Math.max(score(query, entry.label), -1) }))
  .map(({ entry, by }) => ({ entry, by: by < 0 && entry.also && score(query, entry.also) >= 0 ? 4 : by }))
  .filter(({ by }) => by >= 0)
  .sort((one, other) => one.by - other.by)
  .map(({ entry }) => entry);

/**
 * A box to type in and a list: arrows choose, Enter or a click takes.
 * `find(query)` returns entries `{label, detail?, mark?, …}`; `take(entry)` gets the chosen one, or null
 * where nothing fits.
 */
export function picker({ label, hint = "", find, take, empty = t("nothingFits") }) {
  const id = `list-${(ids += 1)}`;
  let entries = [];
  let at = 0;
  const list = h("ul", { id, role: "listbox", "aria-label": label });
  const none = h("p", { class: "quiet", role: "status" });
  const input = h("input", {
    type: "text", role: "combobox", "aria-label": label, "aria-autocomplete": "list", "aria-controls": id, placeholder: hint,
    autocomplete: "off", autocapitalize: "none", spellcheck: "false", enterkeyhint: "go",
  });
  const choose = (to) => {
    at = Math.max(0, Math.min(to, entries.length - 1));
    for (const [n, each] of [...list.children].entries()) each.setAttribute("aria-selected", String(n === at));
    const chosen = list.children[at];
    if (chosen) input.setAttribute("aria-activedescendant", chosen.id);
    else input.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  };
  const refresh = () => {
    entries = find(input.value).slice(0, SHOWN);
    clear(list, entries.map((each, n) => h("li", { role: "option", id: `${id}-${n}`, onClick: () => take(each) },
      h("span", { class: "mark" }, each.mark ?? null), h("span", { class: "one-line" }, each.label),
      each.detail ? h("span", { class: "quiet small one-line" }, each.detail) : null)));
    input.setAttribute("aria-expanded", String(entries.length > 0));
    list.hidden = !entries.length;
    none.textContent = entries.length || !input.value ? "" : empty;
    choose(0);
  };
  input.addEventListener("input", refresh);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) choose(at + steps[event.key]);
    else if (event.key === "Enter") take(entries[at] ?? null);
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the box
  refresh();
  return { element: h("div", { class: "finder" }, input, list, none), input, refresh };
}

// -- The order of conversations --

const dayOf = (at) => (at ? new Date(at).setHours(0, 0, 0, 0) : 0);
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

/** The conversations as the page lists them: rooms by name, the lobby first; private ones by the day of
 * what was said last, and within a day by name, so that nothing moves under the pointer. */
export function ordered() {
  const all = [...store.conversations.values()];
  const rooms = all.filter((each) => each.room)
    .sort((one, other) => (other.room === "lobby") - (one.room === "lobby") || byName(one.room, other.room));
  const people = all.filter((each) => !each.room)
    .sort((one, other) => dayOf(other.last) - dayOf(one.last) || byName(one.title, other.title));
  return { rooms, people };
}

function step(by, onlyUnread) {
  const { rooms, people } = ordered();
  const all = [...rooms, ...people];
  const from = all.findIndex((each) => each.key === store.open);
  for (let n = 1; n <= all.length; n += 1) {
    const each = all[(((from < 0 && by < 0 ? 0 : from) + n * by) % all.length + all.length) % all.length];
    if (!onlyUnread || (each.unread && each.key !== store.open)) return goTo(each.key);
  }
}

// -- Ctrl/⌘-K --

let joinable = [];

/** Open the palette: conversations, people, rooms to join, what the page does, commands. */
export function openPalette() {
  const box = document.getElementById("palette");
  if (box.open) return box.close();
  load().catch(() => {});
  const { element, input, refresh } = picker({
    label: t("goTo"), hint: t("goToHint"), find,
    take: (entry) => {
      box.close();
      entry?.run();
    },
  });
  box.setAttribute("aria-label", t("goTo"));
  clear(box, element);
  show(box, () => clear(box));
  input.focus();
  wire.request("rooms", {}).then(({ rooms }) => {
    joinable = rooms.filter((each) => !each.role);
    if (box.open) refresh();
  }, () => {});
}

function find(query) {
  const { rooms, people } = ordered();
  const talks = [...rooms, ...people].sort((one, other) => Boolean(other.unread) - Boolean(one.unread)).map((each) => ({
    label: each.title, also: each.topic, mark: markOf(each), run: () => goTo(each.key),
    detail: each.mentions ? t("nMentions", { n: each.mentions }) : each.unread ? t("nUnread", { n: each.unread }) : each.topic,
  }));
  if (!query) return [...talks, ...doings()];
  const others = [...store.people.keys()].filter((name) => !store.conversations.has(name))
    .map((name) => ({ label: name, mark: dot(name), detail: t("newPrivate"), run: () => goTo(name) }));
  const found = joinable.filter((each) => !store.conversations.has(`#${each.name}`))
    .map((each) => ({ label: `#${each.name}`, mark: icon("plus"), also: each.topic, detail: t("joinIt"), run: () => join(each.name) }));
  return fitting(query, [...talks, ...others, ...found, ...doings(), ...lines()]);
}

/** The sign before a conversation. */
export const markOf = (each) => (each.room ? icon(each.access === "closed" ? "lock" : "hash") : each.with?.length === 1 ? dot(each.with[0]) : icon("people"));

const doings = () => offers().map((each) => ({ label: each.label, mark: icon(each.icon ?? "settings"), detail: each.keys, run: each.run }));
const lines = () => commands().map((each) => ({ label: `/${each.name}`, also: each.summary, detail: each.summary, run: () => begin(`/${each.name} `) }));

/** Begin a line in the box, where nothing is in it that would be lost. */
function begin(text) {
  const box = toBox();
  if (!box || box.value.trim()) return toast(t("boxNotEmpty"));
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Join a room and go there. */
export const join = (room) => actions.join(room).then(() => goTo(`#${room}`), toast);

// -- All keys --

const KEYS = [
  [`${MOD}K`, "keyGo"], ["Alt+↑ Alt+↓", "keyStep"], ["Alt+Shift+↑ ↓", "keyUnread"], [`${MOD}F`, "keySearch"], ["Esc", "keyEsc"],
  ["Enter", "keySend"], ["Shift+Enter", "keyLine"], ["↑", "keyEdit"], ["Tab", "keyTab"], ["PgUp Home", "keyPast"], ["r e d + c", "keyRow"], ["/", "keySlash"], ["?", "keyHelp"],
];
const WRITING = [["**bold**", "writeBold"], ["*italic*", "writeItalic"], ["`code`", "writeCode"], ["```", "writeFence"], ["> quote", "writeQuote"], ["- item", "writeList"], ["@name", "writeMention"], [":emoji:", "writeEmoji"]];

/** Show all keys, how to write, and the commands. */
export function openKeys() {
  const rows = (list) => h("dl", { class: "keys" }, list.map(([key, what]) => [h("dt", null, h("kbd", null, key)), h("dd", null, what)]));
  const slash = h("div", null);
  dialog(t("keysTitle"), h("div", { class: "columns", tabindex: "0", role: "group", "aria-label": t("keysTitle") },
    rows(KEYS.map(([key, word]) => [key, t(word)])),
    h("h3", null, t("writingTitle")), rows(WRITING.map(([key, word]) => [key, t(word)])),
    h("h3", null, t("commandsTitle")), slash));
  load().then(() => clear(slash, rows(commands().map((each) => [`/${usageLines(each)[0]}`, each.summary]))), toast);
}

// -- Keys that work everywhere --

const inBox = (target) => target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
const hasDialog = () => document.querySelector("dialog[open]") !== null;

function pressed(event) {
  if (!store.me || event.isComposing || event.defaultPrevented) return;
  const mod = (APPLE ? event.metaKey : event.ctrlKey) && !event.altKey && !event.shiftKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (mod && key === "k") openPalette();
  else if (hasDialog()) return;
  else if (mod && key === "f" && !searching()) go(searchPath());
  else if (event.altKey && !event.ctrlKey && !event.metaKey && (key === "ArrowUp" || key === "ArrowDown")) step(key === "ArrowUp" ? -1 : 1, event.shiftKey);
  else if (key === "?" && !event.ctrlKey && !event.metaKey && !inBox(event.target)) openKeys();
  else if (key === "Escape") escape();
  else return;
  event.preventDefault();
}

const searching = () => location.pathname === "/s" && document.activeElement?.getAttribute("type") === "search";
/** Where one searches, in the room that is open. */
export const searchPath = () => "/s?q=" + (store.open && !store.open.includes(",") ? encodeURIComponent(`in:${store.open} `) : "");

/** Called by who has something to close; true when it was closed. */
export const closers = [];

function escape() {
  if (closers.some((close) => close())) return;
  if (!store.open) return;
  actions.markRead(store.open);
  toNewest();
  toBox();
}

/** Listen to the keys. */
export function mountPalette() {
  document.addEventListener("keydown", pressed);
  offer({ name: "keys", label: t("keysTitle"), keys: "?", icon: "more", run: openKeys });
  offer({ name: "next", label: t("nextUnread"), keys: "Alt+Shift+↓", icon: "down", run: () => nextUnread() && goTo(nextUnread()) });
}
