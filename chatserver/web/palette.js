// Ctrl/⌘-K, `?` and the keys that work everywhere; the dialogs to begin a talk and to find rooms; and
// what they are made of: a dialog, a box to type in with a list of what fits, and words.
import { h, clear, icon, keyed, toast } from "./dom.js";
import { en, t } from "./words.js";
import { wire } from "./wire.js";
import { isMe, keyWith, store } from "./store.js";
import * as actions from "./actions.js";
import { commands, load, nextUnread, offers, usageLines } from "./commands.js";
import { toNewest } from "./list.js";
import { go, goTo } from "./main.js";
import { showPanel } from "./panel.js";
import { dot, join, markOf, ordered, searchPath } from "./sidebar.js";

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

/** Whether `typed` is one slip of the finger away from `meant`, behind its first letter. */
export function isSlip(typed, meant) {
  if (typed === meant || Math.min(typed.length, meant.length) < 3) return false;
  const swapped = typed[0] === meant[1] && typed[1] === meant[0];
  if (typed[0] !== meant[0] && !swapped) return false;
  const by = typed.length - meant.length;
  if (Math.abs(by) > 1) return false;
  let at = 0;
  while (at < typed.length && typed[at] === meant[at]) at += 1;
  if (by) return by < 0 ? typed.slice(at) === meant.slice(at + 1) : typed.slice(at + 1) === meant.slice(at);
  if (typed.slice(at + 1) === meant.slice(at + 1)) return meant.length >= 5;
  return typed[at] === meant[at + 1] && typed[at + 1] === meant[at] && typed.slice(at + 2) === meant.slice(at + 2);
}

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

const doings = () => offers().map((each) => ({ label: t(each.label), mark: icon(each.icon), detail: each.keys, run: each.run }));
const lines = () => commands().map((each) => ({ label: `/${each.name}`, also: each.summary, detail: each.summary, run: () => begin(`/${each.name} `) }));

/** Begin a line in the box, where nothing is in it that would be lost. */
function begin(text) {
  const box = toBox();
  if (!box || box.value.trim()) return toast(t("boxNotEmpty"));
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

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
export const mountPalette = () => document.addEventListener("keydown", pressed);

/** What the page itself does: the palette lists it, and `/name` does it, too, where no command has the name. */
export const OFFERS = [
  { name: "new", label: "newTalk", icon: "person", run: newTalk },
  { name: "find", label: "findRooms", icon: "hash", run: findRooms },
  { name: "make", label: "makeRoom", icon: "plus", run: makeRoom },
  { name: "details", label: "details", icon: "people", run: () => store.open && showPanel("talk") },
  { name: "account", label: "account", icon: "settings", run: () => showPanel("account") },
  { name: "logout", label: "logOut", icon: "out", run: () => actions.logout() },
  { name: "keys", label: "keysTitle", keys: "?", icon: "more", run: openKeys },
  { name: "next", label: "nextUnread", keys: "Alt+Shift+↓", icon: "down", run: () => nextUnread() && goTo(nextUnread()) },
];

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

/** Say yes to an invitation, or later. */
export function invited({ name, topic }) {
  const box = dialog(t("invitedTitle", { room: name }), topic ? h("p", { class: "quiet" }, topic) : null, h("div", { class: "buttons" },
    h("button", { type: "button", class: "soft", onClick: () => box.close() }, t("later")), h("button", { type: "button", class: "primary", onClick: () => {
      box.close();
      join(name);
    } }, t("joinRoom"))));
}

// -- The words of what is loaded later --

Object.assign(en, {
  noSuchDate: "Nothing was said here on or after that day.", save: "Save", later: "Later", newTalkWith: "With whom?",
  newTalkHow: "Pick one person, or several to talk among yourselves.", notesToMyself: "notes to yourself", withoutName: "Without {name}",
  filterRooms: "Filter rooms", noRooms: "There are no rooms yet.", makeRoom: "Make a room", makeIt: "Make it", joinRoom: "Join",
  joinOf: "Join #{room}", openRoom: "Open", openOf: "Open #{room}", joinIt: "join", invitedTitle: "You are invited to #{room}",
  nameRule: "1 to 32 letters, digits, dots, underscores or dashes, beginning with a letter or digit", closedLabel: "Closed",
  closedDetail: "By invitation only; nobody else finds it.", announceLabel: "For announcements", announceDetail: "Only moderators speak.",
  talkTo: "Talk with {name}", nPeople: { one: "{n} person", other: "{n} people" }, notifyMe: "Notify me about", notifyAll: "all messages",
  notifyMentions: "mentions of me", notifyNone: "nothing", noTopic: "No topic yet.", changeTopic: "Change the topic", filterPeople: "Filter people",
  invitations: "Invited", inviteTo: "Invite to #{room}", invitedTo: "{name} is invited to #{room}.", withdraw: "Withdraw",
  withdrawOf: "Withdraw the invitation of {name}", past: "What was said before", setup_open: "everybody may join", setup_closed: "by invitation only",
  setup_announce: "only moderators speak", setup_everyone: "everybody speaks", setup_past: "its past can be read",
  setup_nopast: "its past can be read from joining on", leaveRoom: "Leave #{room}",
  leaveAsk: "Leave #{room}? What is said there no longer comes to you.", inRoom: "In #{room}", role_owner: "owner", role_moderator: "moderator",
  role_member: "member", muteFor: "Mute for", unmute: "Let speak again", minutes: "{n} min", hours: "{n} h",
  days: { one: "{n} day", other: "{n} days" }, removeFrom: "Remove from #{room}", removeTitle: "Remove {name} from #{room}?",
  reason: "Reason, which all there can read (optional)", busyLabel: "Busy", busyDetail: "Messages are held back until you are done.",
  busyReply: "What others are told meanwhile", busyHint: "in a meeting", hiddenLabel: "Hidden", hiddenDetail: "To the others you have logged out.",
  thisBrowser: "This browser", themeAuto: "as the system", themeLight: "light", themeDark: "dark", notifications: "Notifications",
  devices: "Where you are logged in", unknownDevice: "Unknown device", thisDevice: "this one", seenAt: "{when}, from {address}", revoke: "Log out",
  revokeOf: "Log out {client}", logOut: "Log out", searchHint: "Words",
  searchHelp: "Words, begin*, \"a phrase\"; from:bob says who, in:#ops or in:bob says where.", searching: "Searching…",
  nHits: { one: "{n} message", other: "{n} messages" }, nHitsMore: "The newest {n} messages", noHits: "Nothing was found.", moreHits: "Show more",
  goToDay: "Go to a day in {where}", goTo: "Go to", goToHint: "A room, a person, something to do", newPrivate: "new conversation",
  boxNotEmpty: "There is something in the box already: send it first.", keysTitle: "All keys", writingTitle: "Writing", commandsTitle: "Commands",
  keyGo: "go to a room, a person or a command", keyStep: "conversation above, below", keyUnread: "the next unread one",
  nextUnread: "Next unread conversation", keySearch: "search; twice: the browser's own", keyEsc: "close; else mark as read and go to the newest",
  keySend: "send", keyLine: "new line", keyEdit: "in an empty box: correct your last message", keyTab: "complete a name or an emoji",
  keyPast: "further back, to the beginning", keyRow: "at a message: reply, edit, delete, react, copy", keySlash: "a command", keyHelp: "this",
  writeBold: "bold", writeItalic: "italic", writeCode: "code", writeFence: "before and after lines of code", writeQuote: "a quote",
  writeList: "a list", writeMention: "calls somebody", writeEmoji: "an emoji", usage: "Usage: {usage}", usageOr: " or ",
  usageRoom: "'{word}' is a room, not somebody.", usageMissing: "<{label}> is missing.", usageLeft: "There is something left over: '{text}'.",
  usageBrackets: "Put the names in brackets: (bob carol).", usageNumber: "<{label}> must be a whole number, not '{word}'.",
  usageSettings: "'{word}' is none of {known}.",
  cmdUnknown: "There is no command '{word}': type /help for the commands. Begin with // to say a slash.",
  cmdNear: "There is no command '{word}': did you mean /{close}? Begin with // to say a slash.",
  cmdNoPlace: "Say to whom: a name, or a room such as #ops.", cmdNotThereYet: "What you said last is not on the server yet; do that when it is.",
  cmdNoneOwn: "No message that you have said in {where} is known here: scroll back to it first.",
  cmdNoneOther: "No message of somebody else in {where} is known here: scroll back to it first.",
  cmd_talk: "Choose where to talk: people, or a room.", cmd_next: "Go to the next conversation that waits to be read.", now: "now",
  whoHere: "Here now: {names}.", whoNobody: "Nobody else is here.", quietFor: "quiet for {time}", whoWas: "Here in that time: {names}.",
  lastNobody: "Nobody was here in that time.", unreadLine: "{where}: {n} unread", unreadLineYou: "{where}: {n} unread, {m} for you",
  nothingUnread: "Nothing is unread.", statusLine: "You are {name}: {busy}, {seen}.", notBusy: "not busy",
  held: { one: "with {n} message held", other: "with {n} messages held" }, sent: "Sent.", sentAll: "Sent to everybody here.",
  sentBusy: "{name} is busy and will see it later.", sentBusyReply: "{name} is busy and will see it later: {reply}",
  sentDelivered: "Delivered to {names}.", sentStored: "Stored for {names}, to be shown at the next login.", sentUnknown: "No such user: {names}.",
  done_busy: "You are busy: messages are held until you type /idle.", done_idle: "You are no longer busy.",
  done_hide: "You are hidden: to everybody else you have logged out.", done_appear: "You are visible.", done_leave: "You have left.",
  done_invite: "Invited.", done_remove: "Removed.", done_role: "The role is given.", done_mute: "Done.", done_topic: "The topic is set.",
  done_set: "The room is set up so.", done_read: "Marked as read.", done_ping: "Pong.", reply: "Reply", delete: "Delete", copy: "Copy text",
  messageActions: "What to do with this message", deleteAsk: "Delete this message for everybody?",
  discardAsk: "Throw away this message, which nobody has seen?", keepIt: "Keep it", findEmoji: "Find an emoji", noEmoji: "None is called that.",
  name: "Name", talk: "Talk", details: "People and settings", account: "Your account", settings: "Settings", status: "Status", topic: "Topic",
  invite: "Invite somebody", access: "Who may join", speaking: "Who speaks", leave: "Leave", shared: "Shared with you",
  role: "Role", mute: "Mute", remove: "Remove", theme: "Colours", sound: "A sound for messages to you",
  notificationsDenied: "This browser does not allow them: change that in its settings for this page.", busy: "busy", muted: "muted", hidden: "hidden",
  visible: "visible",
});
