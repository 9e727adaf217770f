// The conversations, how much waits in each, and one's own line below them.
import { clear, h, icon, toast } from "./dom.js";
import { t } from "./words.js";
import { wire } from "./wire.js";
import { isMe, keyWith, store } from "./store.js";
import * as actions from "./actions.js";
import { unsent } from "./outbox.js";
import { offer } from "./commands.js";
import { dialog, dot, fitting, fold, join, keyed, markOf, ordered, picker } from "./palette.js";
import { showPanel } from "./panel.js";
import { goTo, pathOf } from "./main.js";

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
  const scroll = h("div", { class: "talks" }, group(t("rooms"), rooms, t("findRooms"), "plus", findRooms), group(t("private"), people, t("newTalk"), "plus", newTalk), none);
  const me = h("button", { type: "button", class: "me", onClick: () => showPanel("account") });
  clear(element, h("h1", { class: "hide-visually" }, t("app")), h("div", { class: "filter" }, filter), scroll, me);

  const redraw = () => {
    const all = ordered();
    const wanted = filter.value.trim();
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
  offer({ name: "new", label: t("newTalk"), icon: "person", run: newTalk });
  offer({ name: "find", label: t("findRooms"), icon: "hash", run: findRooms });
  offer({ name: "make", label: t("makeRoom"), icon: "plus", run: makeRoom });
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
  make: () => h("li", null, h("button", { type: "button", tabindex: "-1", onClick: () => invited(each) }, h("span", { class: "mark" }, icon("plus")), h("span", { class: "one-line" }, each.name), h("span", { class: "quiet small" }, t("invited")))),
}));

function invited({ name, topic }) {
  const box = dialog(t("invitedTitle", { room: name }), topic ? h("p", { class: "quiet" }, topic) : null, h("div", { class: "buttons" },
    h("button", { type: "button", class: "soft", onClick: () => box.close() }, t("later")), h("button", { type: "button", class: "primary", onClick: () => {
      box.close();
      join(name);
    } }, t("joinRoom"))));
}

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

// -- Talking with somebody, finding and making rooms --

/** Begin a private conversation with one or several. */
export function newTalk() {
  const chosen = [];
  const chips = h("ul", { class: "chips" });
  const start = h("button", { type: "button", class: "primary", disabled: true, onClick: () => begin() }, t("talk"));
  const begin = () => {
    box.close();
    goTo(keyWith(chosen));
  };
  const redraw = () => {
    clear(chips, chosen.map((name) => h("li", null, h("button", { type: "button", "aria-label": t("withoutName", { name }), onClick: () => {
      chosen.splice(chosen.indexOf(name), 1);
      redraw();
      input.focus();
    } }, name, icon("close")))));
    chips.hidden = !chosen.length;
    start.disabled = !chosen.length;
    refresh();
  };
  const { element, input, refresh } = picker({
    label: t("newTalkWith"), hint: t("name"),
    find: (query) => fitting(query, [...store.people.keys(), store.me.name].filter((name) => !chosen.includes(name))
      .map((name) => ({ label: name, name, detail: isMe(name) ? t("notesToMyself") : "", mark: dot(name) }))),
    take: (entry) => {
      const typed = input.value.trim();
      if (!typed && chosen.length) return begin();
      const name = entry?.name ?? typed;
      if (!name) return;
      chosen.push(name);
      input.value = "";
      redraw();
    },
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Backspace" || input.value || !chosen.length) return;
    chosen.pop();
    redraw();
  });
  const box = dialog(t("newTalk"), h("p", { class: "quiet small" }, t("newTalkHow")), chips, element, h("div", { class: "buttons" }, start));
  redraw();
  input.focus();
}

/** List the rooms that one may join, and join them. */
export function findRooms() {
  const list = h("ul", { class: "rooms" });
  const none = h("p", { class: "quiet", role: "status" });
  const filter = h("input", { type: "search", "aria-label": t("filterRooms"), placeholder: t("filterRooms"), autocomplete: "off", onInput: () => redraw() });
  let found = [...store.rooms.values()];
  const box = dialog(t("findRooms"), filter, list, none, h("div", { class: "buttons" }, h("button", { type: "button", class: "soft", onClick: () => {
    box.close();
    makeRoom(fold(filter.value.trim()));
  } }, t("makeRoom"))));
  const redraw = () => {
    const fits = fitting(filter.value, found.map((each) => ({ ...each, label: each.name, also: each.topic })));
    none.textContent = fits.length ? "" : t(filter.value ? "nothingFits" : "noRooms");
    keyed(list, fits.map((each) => ({ key: each.name, sign: JSON.stringify(each), make: () => roomRow(each, box) })));
  };
  redraw();
  filter.focus();
  wire.request("rooms").then(({ rooms }) => {
    found = rooms;
    redraw();
  }, toast);
}

const roomRow = ({ name, topic, people, role, access, invited: asked }, box) => h("li", { class: "split" },
  h("span", null, h("strong", { class: "with-icon" }, icon(access === "closed" ? "lock" : "hash"), name),
    h("small", { class: "quiet" }, [t("nPeople", { n: people }), asked && t("invited"), topic].filter(Boolean).join(" · "))),
  h("button", { type: "button", class: role ? "soft" : "primary", "aria-label": t(role ? "openOf" : "joinOf", { room: name }), onClick: () => {
    box.close();
    if (role) goTo(`#${name}`);
    else join(name);
  } }, t(role ? "openRoom" : "joinRoom")));

/** Make a room. */
export function makeRoom(begun = "") {
  const name = h("input", { type: "text", value: begun, required: true, maxlength: "33", pattern: "#?[A-Za-z0-9][A-Za-z0-9._\\-]{0,31}", title: t("nameRule"), autocapitalize: "none", autocomplete: "off", spellcheck: "false" });
  const closed = h("input", { type: "checkbox" });
  const announce = h("input", { type: "checkbox" });
  const error = h("p", { class: "bad", role: "alert" });
  const check = (input, label, detail) => h("label", { class: "check" }, input, h("span", null, label, h("small", { class: "quiet" }, detail)));
  const submit = (event) => {
    event.preventDefault();
    const options = { ...(closed.checked && { access: "closed" }), ...(announce.checked && { speaking: "moderators" }) };
    actions.create(name.value.replace(/^#/, ""), options).then(({ room }) => {
      box.close();
      goTo(`#${room.name}`);
    }, (problem) => {
      error.textContent = problem.text;
      name.focus();
    });
  };
  const box = dialog(t("makeRoom"), h("form", { onSubmit: submit },
    h("label", { class: "field" }, h("span", null, t("name")), name),
    check(closed, t("closedLabel"), t("closedDetail")), check(announce, t("announceLabel"), t("announceDetail")), error,
    h("div", { class: "buttons" }, h("button", { type: "button", class: "soft", onClick: () => box.close() }, t("cancel")), h("button", { class: "primary" }, t("makeIt")))));
  name.focus();
}
