// The conversations, how much waits in each, and one's own line below them.
import { clear, h, icon, keyed, toast } from "./dom.js";
import { ago, t } from "./words.js";
import { isMe, store } from "./store.js";
import * as actions from "./actions.js";
import { unsent } from "./outbox.js";
import { go, goTo, later, panel, pathOf, rest } from "./main.js";

const MOST = 100;
const least = (n) => (n >= MOST ? `${MOST}+` : String(n));

/** Fill the sidebar. */
export function mountSidebar(element) {
  const filter = h("input", { type: "search", "aria-label": t("filter"), placeholder: t("filter"), autocomplete: "off", spellcheck: "false" });
  const rooms = h("ul", null);
  const people = h("ul", null);
  const none = h("p", { class: "quiet small", role: "status" });
  const group = (title, list, label, name, run) => h("section", null,
    h("div", { class: "split" }, h("h2", { class: "quiet small" }, title), h("button", { class: "icon", type: "button", "aria-label": label, title: label, onClick: run }, icon(name))), list);
  const scroll = h("div", { class: "talks" }, group(t("rooms"), rooms, t("findRooms"), "plus", () => later("findRooms")), group(t("private"), people, t("newTalk"), "plus", () => later("newTalk")), none);
  const me = h("button", { type: "button", class: "me", onClick: () => later("showPanel", "account") });
  clear(element, h("h1", { class: "hide-visually" }, t("app")), h("div", { class: "filter" }, filter), scroll, me);

  let fitting = null; // comes with the rest
  const redraw = () => {
    const all = ordered();
    const wanted = filter.value.trim();
    if (wanted && !fitting) return void rest().then((loaded) => {
      fitting = loaded.fitting;
      redraw();
    }, toast);
    const shown = (list) => {
      const there = list.filter((each) => each.joined || each.key === store.open);
      return wanted ? fitting(wanted, there.map((each) => ({ each, label: each.title, also: each.topic }))).map(({ each }) => each) : there;
    };
    const [first, second] = [shown(all.rooms), shown(all.people)];
    keyed(rooms, [...(wanted ? [] : invitations()), ...first.map(row)]);
    keyed(people, second.map(row));
    none.textContent = wanted && !first.length && !second.length ? t("nothingFits") : "";
    rove();
  };
  const rove = () => {
    const links = [...scroll.querySelectorAll("li > a, li > button")];
    const stop = links.find((each) => each === document.activeElement) ?? links.find((each) => each.ariaCurrent) ?? links[0];
    for (const each of links) each.tabIndex = each === stop ? 0 : -1;
  };
  for (const part of ["conversations", "people", "open", "me"]) store.subscribe(part, redraw);
  filter.addEventListener("input", redraw);
  keys(filter, scroll);
  scroll.addEventListener("focusin", rove);
  const own = () => line(me);
  for (const part of ["me", "link", "conversations"]) store.subscribe(part, own);
  own();
  redraw();
}

/** Arrows go from the filter into the list and through it; Enter in the filter takes the first. */
function keys(filter, scroll) {
  const links = () => [...scroll.querySelectorAll("li > a, li > button")];
  filter.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") links()[0]?.focus();
    else if (event.key === "Enter") {
      links()[0]?.click();
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
    } else if (event.key === "Escape" && filter.value) {
      filter.value = "";
      filter.dispatchEvent(new Event("input"));
    } else return;
    event.preventDefault();
  });
  scroll.addEventListener("keydown", (event) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.altKey || at < 0 || to === undefined) return;
    event.preventDefault();
    (to < 0 ? filter : all[Math.min(to, all.length - 1)]).focus();
  });
}

function row(c) {
  const mine = c.with?.length === 1 && isMe(c.with[0]);
  const open = c.key === store.open;
  const draft = Boolean(c.draft.text) && !open;
  const failed = c.waiting.some((each) => each.state === "failed");
  const count = c.room ? c.mentions : c.unread;
  const mark = markOf(c);
  const sign = JSON.stringify([c.title, c.unread, c.mentions, c.notify, c.access, open, draft, failed, mark.className || 0, mark.ariaLabel]);
  const make = () => h("li", null, h("a", {
    href: pathOf(c.key), "aria-current": open ? "page" : null, tabindex: "-1",
    class: [c.unread && "unread", c.notify === "none" && "muted"].filter(Boolean).join(" ") || null,
    onClick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      goTo(c.key);
    },
  },
  h("span", { class: "mark" }, mark), h("span", { class: "one-line" }, c.room ?? (mine ? t("myself", { name: c.title }) : c.title)),
  failed ? note("alert", t("hasFailed"), "bad") : draft ? note("edit", t("hasDraft")) : null,
  c.notify === "none" && h("span", { class: "hide-visually" }, `, ${t("isMuted")}`),
  c.unread > 0 && count === 0 && h("span", { class: "hide-visually" }, `, ${t("nUnread", { n: least(c.unread) })}`),
  count > 0 && [h("span", { class: c.notify === "none" ? "count off" : "count", "aria-hidden": "true" }, least(count)),
    h("span", { class: "hide-visually" }, `, ${t(c.room ? "nMentions" : "nUnread", { n: least(count) })}`)]));
  return { key: c.key, sign, make };
}

const note = (name, text, extra = "") => h("span", { class: `sign ${extra}`, title: text }, icon(name), h("span", { class: "hide-visually" }, `, ${text}`));

const invitations = () => [...store.rooms.values()].filter((each) => each.invited && !each.role).map((each) => ({
  key: `invited ${each.name}`, sign: "",
  make: () => h("li", null, h("button", { type: "button", tabindex: "-1", onClick: () => later("invited", each) }, h("span", { class: "mark" }, icon("plus")), h("span", { class: "one-line" }, each.name), h("span", { class: "quiet small" }, t("invited")))),
}));

/** One's own line: name, how one stands, and how the link does. Two lines always, so that nothing moves. */
function line(element) {
  const { me, link } = store;
  if (!me) return;
  const waiting = unsent();
  const off = link !== "online";
  const state = off ? t(waiting ? `${link}Waiting` : link === "connecting" ? "connecting" : "offlineNow", { n: waiting })
    : me.busy ? t(me.held ? "youBusyHeld" : "youBusy", { n: me.held }) : t(me.hidden ? "youHidden" : "youHere");
  const sign = JSON.stringify([me.name, state, me.busy, me.hidden]);
  if (element.dataset.sign === sign) return;
  element.dataset.sign = sign;
  element.classList.toggle("off", off);
  clear(element, h("span", { class: "mark" }, off ? icon("alert") : dot(me.name)),
    h("span", { class: "who-am-i" }, h("strong", { class: "one-line" }, me.name), h("span", { class: "quiet small one-line", role: "status" }, state)),
    icon("settings"));
}

// -- The header of the talk --

/** The title, the topic and the buttons above the talk. */
export function mountHead(element) {
  const title = h("h1", { class: "one-line" });
  const topic = h("p", { class: "quiet small one-line" });
  const people = h("button", { type: "button", id: "details", class: "with-icon", "aria-expanded": "false", "aria-controls": "panel", onClick: () => (store.panel?.what === "talk" ? panel(null) : later("showPanel", "talk")) });
  const back = h("button", { class: "icon phone-only", type: "button", "aria-label": t("back"), onClick: () => go("/") }, icon("back"));
  const find = h("button", { class: "icon", type: "button", "aria-label": t("search"), title: t("search"), onClick: () => go(searchPath()) }, icon("search"));
  clear(element, back, h("div", { class: "head-title" }, title, topic), find, people);
  const redraw = () => {
    const c = store.conversations.get(store.open);
    element.classList.toggle("empty", !c);
    title.textContent = c?.title ?? t("app");
    const alone = c && c.room === null && c.with.length === 1;
    topic.textContent = c ? (alone ? statusOf(c.with[0]) : c.topic) : "";
    topic.title = topic.textContent;
    find.hidden = people.hidden = !c;
    if (!c) return;
    const n = c.room === null ? c.with.length + 1 : c.people;
    clear(people, icon("people"), h("span", { "aria-hidden": "true" }, n ? String(n) : ""), h("span", { class: "hide-visually" }, t("nPeopleDetails", { n })));
  };
  for (const part of ["open", "conversations", "people"]) store.subscribe(part, redraw);
  redraw();
}

// -- How conversations and people are shown and put in order --

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

/** How somebody stands, in words. */
export function statusOf(name) {
  const person = store.people.get(name);
  const state = presence(name);
  if (state === "away" && person?.seen) return t("lastHere", { when: ago((Date.now() - person.seen) / 1000) });
  return t(`is_${state}`);
}

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

/** The sign before a conversation. */
export const markOf = (each) => (each.room ? icon(each.access === "closed" ? "lock" : "hash") : each.with?.length === 1 ? dot(each.with[0]) : icon("people"));

/** Join a room and go there. */
export const join = (room) => actions.join(room).then(() => goTo(`#${room}`), toast);

/** Where one searches, in the room that is open. */
export const searchPath = () => "/s?q=" + (store.open && !store.open.includes(",") ? encodeURIComponent(`in:${store.open} `) : "");
