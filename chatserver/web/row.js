// @ts-check
import { h, icon } from "./dom.js";
import { emojiOnly, format, hue, plain } from "./format.js";
import { isMe, store } from "./store.js";
import { day, t, time } from "./words.js";

/** @typedef {import("./store.js").Message} Message */
/** @typedef {import("./store.js").Outgoing} Outgoing */
/** @typedef {import("./store.js").Conversation} Conversation */

const GROUP = 5 * 60e3; // ms within which a sender is named once
const TALL = 24; // lines that are shown of a long message
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
