// @ts-check
import * as actions from "./actions.js";
import * as composer from "./composer.js";
import { ask, h, icon, toast } from "./dom.js";
import { common, pick } from "./emoji.js";
import { emojiOnly, format, hue, plain } from "./format.js";
import { go } from "./main.js";
import * as outbox from "./outbox.js";
import { isMe, store } from "./store.js";
import { day, t, time } from "./words.js";

/** @typedef {import("./store.js").Message} Message */
/** @typedef {import("./store.js").Outgoing} Outgoing */
/** @typedef {import("./store.js").Conversation} Conversation */

const GROUP = 5 * 60e3; // ms within which a sender is named once
const TALL = 24; // lines that are shown of a long message
const PRESS = 450; // ms of a long press
const SLIP = 10; // px that a finger may move meanwhile
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
/** The long messages that were opened, by `seq`. @type {Set<string>} */
const opened = new Set();

/** A name in its colour. @param {string} name */
export function who(name) {
  const made = h("span", { class: "who" }, name);
  made.style.setProperty("--hue", String(hue(name)));
  return made;
}

/**
 * One message. Its listeners are those of the list; `data-act` says what a button is for.
 * @param {Conversation} c @param {Message} m @param {boolean} head whether the name is shown
 * @param {Message | null | undefined} quoted what it answers; undefined while that is not known
 */
export function messageRow(c, m, head, quoted) {
  const key = String(m.seq);
  return row(key, m, head, m.from, m.edited && !m.deleted ? "edited" : "",
    m.replyTo > 0 && quote(m.replyTo, quoted),
    m.deleted ? h("p", { class: "deleted quiet" }, t("deletedMessage")) : text(key, m.text, m.mentions),
    m.edited && !m.deleted && [" ", h("small", { class: "quiet" }, t("edited"))],
    reactions(m));
}

/** What is not sent yet, or could not be. @param {Outgoing} o @param {boolean} head @param {Message | null | undefined} quoted */
export function outgoingRow(o, head, quoted) {
  const failed = o.state === "failed";
  const state = h("div", { class: failed ? "state bad" : "state quiet" }, icon(failed ? "alert" : "clock"),
    h("span", null, failed ? o.error?.text ?? t("notSent") : t(store.link === "online" ? "sending" : "waiting")),
    failed && [act("retry", t("retry"), o.localKey), act("rewrite", t("edit"), o.localKey), act("discard", t("discard"), o.localKey)]);
  return row(`w${o.localKey}`, o, head, store.me?.name ?? "", failed ? "failed" : "waiting",
    o.replyTo > 0 && quote(o.replyTo, quoted), text("", o.text, []), state);
}

/** @param {string} what @param {string} label @param {string} key */
const act = (what, label, key) => h("button", { type: "button", class: "plain", dataset: { act: what, key } }, label);

/** @param {string} key @param {{at: number}} of @param {boolean} head @param {string} from @param {string} more @param {...any} inside */
function row(key, of, head, from, more, ...inside) {
  const made = h("div", { class: `message ${head ? "head " : ""}${more}`, role: "article", tabindex: -1, dataset: { key } },
    h("time", { class: "at quiet", datetime: new Date(of.at).toISOString() }, time(of.at)),
    head && h("div", { class: "name" }, who(from)), ...inside);
  for (const each of made.querySelectorAll("a, button")) each.tabIndex = -1; // only those of the row one is at
  return made;
}

/** Says what a row is, once that is of use. @param {HTMLElement} row @param {any} of */
function describe(row, of) {
  if (row.hasAttribute("aria-label") || !of) return;
  const said = of.deleted ? t("deletedMessage") : plain(of.text).slice(0, 200);
  row.setAttribute("aria-label", `${of.from ?? store.me?.name}, ${time(of.at)}: ${said}`);
  /** @type {HTMLElement} */ (row.querySelector(".at")).title = full.format(of.at);
}

/** @param {string} key @param {string} said @param {string[]} mentions */
function text(key, said, mentions) {
  const made = h("div", { class: emojiOnly(said) ? "text large" : "text" },
    format(said, { me: store.me?.name, mentions, rooms: store.conversations }));
  const lines = said.split("\n").length + said.length / 120;
  if (lines <= TALL * 1.5) return made;
  const button = h("button", { type: "button", class: "plain unfold", dataset: { act: "unfold" } });
  const show = () => {
    made.classList.toggle("tall", !opened.has(key));
    button.textContent = t(opened.has(key) ? "showLess" : "showAll");
    button.setAttribute("aria-expanded", String(opened.has(key)));
  };
  button.addEventListener("click", () => {
    if (!opened.delete(key)) opened.add(key);
    show();
  });
  show();
  return [made, button];
}

/** @param {number} seq @param {Message | null | undefined} quoted */
function quote(seq, quoted) {
  const said = quoted ? (quoted.deleted ? t("deletedMessage") : plain(quoted.text)) : t("quoteEarlier");
  return h("button", { type: "button", class: "quote", dataset: { act: "jump", seq: String(seq) }, title: t("goToMessage") },
    icon("reply"), quoted && who(quoted.from), h("span", { class: "one-line", dir: "auto" }, said));
}

/** @param {Message} m */
function reactions(m) {
  if (m.deleted || !m.reactions.size) return null;
  const chips = [...m.reactions].map(([emoji, names]) => {
    const mine = names.some(isMe);
    const all = names.map((name) => isMe(name) ? t("you") : name);
    const listed = all.length > 12 ? [...all.slice(0, 12), t("andMore", { n: all.length - 12 })] : all;
    const label = `${emoji} ${listed.join(", ")}`;
    return h("button", {
      type: "button", class: "reaction", "aria-pressed": String(mine), "aria-label": label, title: label, dataset: { act: "toggle", emoji },
    }, h("span", null, emoji), h("span", { class: "number" }, String(names.length)));
  });
  return h("div", { class: "reactions" }, chips,
    h("button", { type: "button", class: "reaction add", "aria-label": t("react"), title: t("react"), dataset: { act: "react" } }, icon("smile")));
}

/** Whether a message names its sender. @param {Message | null} before @param {Message} m */
export const isHead = (before, m) =>
  !before || before.kind === "change" || before.from !== m.from || m.at - before.at > GROUP || m.replyTo > 0;

/** The line of a day. @param {string} key @param {number} at */
export const dayRow = (key, at) =>
  h("div", { class: "day quiet", dataset: { key } }, h("time", { datetime: new Date(at).toISOString().slice(0, 10) }, day(at)));

/** The line before what is new. */
export const newRow = () => h("div", { class: "new", dataset: { key: "new" } }, h("span", null, t("newMessages")));

/** What changed in a room, as a quiet line. @param {Message} m */
export function changeRow(m) {
  const change = m.change === "role" ? `role_${m.role}` : m.change === "muted" && !m.minutes ? "unmuted"
    : m.change === "topic" && !m.topic ? "untopic" : m.change;
  const alone = !m.name || m.name === m.from;
  const values = { by: m.from, name: m.name ?? "", minutes: m.minutes ?? 0, topic: m.topic ?? "" };
  const key = `change_${change}${alone && (change === "joined" || change === "left") ? "_self" : ""}`;
  const said = t(key, values) + (m.reason ? ` (${m.reason})` : "");
  return h("div", { class: "event quiet", dataset: { key: String(m.seq) } },
    h("time", { class: "at", datetime: new Date(m.at).toISOString() }, time(m.at)), h("p", { dir: "auto" }, said));
}

/**
 * Everything that can be done with the rows, by mouse, keyboard and finger.
 * @param {HTMLElement} rows
 * @param {{jump: (seq: number) => void, of: (key: string) => any, conversation: () => Conversation | undefined}} list
 */
export function listenToRows(rows, list) {
  const tools = h("div", { class: "tools", role: "toolbar", "aria-label": t("messageActions") });
  /** @type {HTMLElement | null} */ let active = null;
  const rowAt = (/** @type {any} */ target) => /** @type {HTMLElement | null} */ (target?.closest?.(".message"));
  /** The message of a row, if it is sent and not deleted. @param {HTMLElement | null} row @returns {Message | null} */
  const messageAt = (row) => {
    const of = row && list.of(row.dataset.key ?? "");
    return of?.seq && !of.deleted ? of : null;
  };
  const can = (/** @type {string} */ what, /** @type {Message} */ m) => {
    if (!store.can.has(what === "reply" ? "send" : what)) return false;
    if (what === "edit") return m.own;
    const role = list.conversation()?.role;
    return what !== "delete" || m.own || role === "owner" || role === "moderator";
  };
  const KINDS = /** @type {[string, string, string][]} */ ([
    ["react", "smile", "+"], ["reply", "reply", "r"], ["edit", "edit", "e"], ["delete", "trash", "d"],
  ]);
  const offered = (/** @type {Message} */ m) => KINDS.filter(([what]) => can(what, m));

  /** @param {HTMLElement | null} row */
  function equip(row) {
    const m = messageAt(row);
    if (tools.parentElement !== row) tools.parentElement?.classList.remove("armed");
    if (row) describe(row, list.of(row.dataset.key ?? ""));
    if (!row || !m) return tools.remove();
    if (tools.parentElement === row) return;
    row.classList.add("armed");
    tools.replaceChildren(...offered(m).map(([what, sign, key]) => h("button", {
      type: "button", class: "icon", "aria-label": t(what), title: `${t(what)} (${key})`, dataset: { act: what },
    }, icon(sign))));
    row.append(tools);
  }

  /** The one row that Tab reaches, and what is in it. @param {HTMLElement} row */
  function activate(row) {
    if (active && active !== row) for (const each of [active, ...active.querySelectorAll("a, button")]) /** @type {any} */ (each).tabIndex = -1;
    for (const each of [row, ...row.querySelectorAll("a, button")]) /** @type {any} */ (each).tabIndex = 0;
    active = row;
  }

  /** @param {string} what @param {HTMLElement | null} row @param {HTMLElement} from */
  async function perform(what, row, from) {
    const m = messageAt(row);
    const key = from.dataset.key ?? "";
    if (what === "jump") return list.jump(Number(from.dataset.seq));
    if (what === "retry") return outbox.retry(key);
    if (what === "discard" && !(await ask(t("discardAsk"), t("discard"), t("keepIt")))) return;
    if (what === "discard") return outbox.discard(key);
    if (what === "rewrite") return composer.rewrite(list.of(`w${key}`));
    if (!m || !(what === "copy" || can(what === "toggle" ? "react" : what, m))) return;
    if (what === "toggle") return actions.react(m.seq, from.dataset.emoji, from.getAttribute("aria-pressed") !== "true");
    if (what === "reply") return composer.reply(m);
    if (what === "edit") return composer.edit(m);
    if (what === "copy") return navigator.clipboard.writeText(m.text);
    if (what === "delete" && (await ask(t("deleteAsk"), t("delete"), t("keepIt")))) return actions.remove(m.seq);
    const emoji = what === "react" ? await pick(from) : null;
    if (emoji) return actions.react(m.seq, emoji, !m.reactions.get(emoji)?.some(isMe));
  }
  const act = (/** @type {string} */ what, /** @type {HTMLElement | null} */ row, /** @type {HTMLElement} */ from) =>
    perform(what, row, from).catch(toast);

  rows.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const button = /** @type {HTMLElement | null} */ (target.closest("[data-act]"));
    const room = target.closest("a.room");
    if (button && button.dataset.act !== "unfold") act(button.dataset.act ?? "", rowAt(button), button);
    if (!room || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(/** @type {string} */ (room.getAttribute("href")));
  });
  rows.addEventListener("pointerover", (event) => {
    if (event.pointerType === "mouse" && !tools.querySelector(":focus-visible")) equip(rowAt(event.target));
  });
  rows.addEventListener("pointerleave", () => equip(rowAt(rows.querySelector(":focus-visible"))));
  rows.addEventListener("focusin", (event) => {
    const row = rowAt(event.target);
    if (!row) return;
    describe(row, list.of(row.dataset.key ?? ""));
    if (row.matches(":focus-visible, :has(:focus-visible)")) equip(row);
    activate(row);
  });
  rows.addEventListener("focusout", (event) => {
    if (!rows.contains(/** @type {Node | null} */ (event.relatedTarget)) && !rows.matches(":hover")) equip(null);
  });
  rows.addEventListener("keydown", (event) => {
    const row = rowAt(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (walk(event, row)) return event.preventDefault();
    const found = KINDS.find(([, , key]) => key === event.key)?.[0] ?? (event.key === "c" && event.target === row ? "copy" : null);
    if (!found || !messageAt(row)) return;
    event.preventDefault();
    act(found, row, row);
  });

  /** Up, down, first, last. @param {KeyboardEvent} event @param {HTMLElement} row @returns whether it was that */
  function walk(event, row) {
    const all = /** @type {HTMLElement[]} */ ([...rows.querySelectorAll(".message")]);
    const at = all.indexOf(row);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return false;
    if (to >= all.length) composer.focus();
    else {
      const next = all[Math.max(0, to)];
      describe(next, list.of(next.dataset.key ?? "")); // before it is read out
      next.focus();
    }
    return true;
  }

  finger(rows, (row) => {
    const m = messageAt(row);
    if (m) sheet(m, offered(m), (what, emoji) => {
      if (emoji) actions.react(m.seq, emoji, !m.reactions.get(emoji)?.some(isMe)).catch(toast);
      else act(what, row, row);
    });
  });
}

/** A long press on a row. @param {HTMLElement} rows @param {(row: HTMLElement) => void} pressed */
function finger(rows, pressed) {
  let timer = 0;
  let x = 0;
  let y = 0;
  const end = () => { clearTimeout(timer); timer = 0; };
  rows.addEventListener("pointerdown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = /** @type {HTMLElement | null} */ (target.closest(".message"));
    end();
    if (event.pointerType === "mouse" || !row || target.closest("button")) return;
    [x, y] = [event.clientX, event.clientY];
    timer = window.setTimeout(() => { timer = 0; pressed(row); }, PRESS);
  });
  rows.addEventListener("pointermove", (event) => {
    if (timer && Math.hypot(event.clientX - x, event.clientY - y) > SLIP) end();
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) rows.addEventListener(name, end);
  rows.addEventListener("contextmenu", (event) => {
    if (/** @type {any} */ (event).pointerType === "touch" && !(/** @type {HTMLElement} */ (event.target).closest("a"))) event.preventDefault();
  });
}

/** What can be done with a message, on a phone. @param {Message} m @param {[string, string, string][]} offered @param {(what: string, emoji?: string) => void} act */
function sheet(m, offered, act) {
  const close = (/** @type {string} */ what, /** @type {string} */ emoji = "") => { dialog.close(); act(what, emoji); };
  const quick = offered.some(([what]) => what === "react") && h("div", { class: "quick" },
    common.map((emoji) => h("button", { type: "button", "aria-label": emoji, "aria-pressed": String(Boolean(m.reactions.get(emoji)?.some(isMe))), onclick: () => close("", emoji) }, emoji)));
  const line = (/** @type {string} */ what, /** @type {string} */ sign) =>
    h("button", { type: "button", class: what === "delete" ? "danger" : "", onclick: () => close(what) }, icon(sign), t(what));
  const dialog = h("dialog", { class: "sheet", "aria-label": t("messageActions"), onclick: (/** @type {Event} */ event) => event.target === dialog && dialog.close() },
    quick, offered.map(([what, sign]) => line(what, sign)), line("copy", "check"));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
