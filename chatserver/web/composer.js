// @ts-check
import * as actions from "./actions.js";
import { clear, h, icon, toast } from "./dom.js";
import { plain } from "./format.js";
import { page } from "./list.js";
import { later } from "./main.js";
import * as outbox from "./outbox.js";
import { who } from "./row.js";
import { isMe, store } from "./store.js";
import { t } from "./words.js";

/** @typedef {import("./store.js").Message} Message */
/** @typedef {{text: string, replyTo: number, editing: number, before?: {text: string, replyTo: number}}} Draft */

const WARN = 0.9; // of the most characters: from here on they are counted
const SPEAKERS = 300; // messages in which those who spoke are looked for
const MOST = 8; // completions

/** @type {HTMLElement} */ let form;
/** @type {HTMLTextAreaElement} */ let box;
/** @type {HTMLElement} */ let mode;
/** @type {HTMLElement} */ let notice;
/** @type {HTMLElement} */ let quiet;
/** @type {HTMLElement} */ let note;
/** @type {HTMLElement} */ let choices;
/** @type {HTMLElement} */ let answer;

let key = "";
let stop = () => {};
let working = false; // something is being made safe
let again = false; // and Enter came meanwhile
/** What can be completed: `from` is where it begins. @type {{from: number, found: {label: string, insert: string}[], at: number}} */
let offer = { from: 0, found: [], at: -1 };

/** The box into which one writes. @param {HTMLElement} el */
export function mountComposer(el) {
  form = el;
  mode = h("div", { class: "mode", hidden: true });
  notice = h("div", { class: "notice", hidden: true });
  choices = h("div", { class: "choices", role: "listbox", id: "choices", "aria-label": t("completions"), hidden: true });
  box = h("textarea", {
    rows: 1, "aria-autocomplete": "list", "aria-controls": "choices", enterkeyhint: coarse() ? "enter" : "send", autocapitalize: "sentences",
    spellcheck: "true", oninput: written, onkeydown: keys, onblur: () => closeChoices(), onclick: suggest,
  });
  quiet = h("span", { class: "one-line" });
  note = h("span", { class: "note", role: "status" });
  answer = h("div", { class: "answer", role: "status", hidden: true });
  clear(form, answer, notice, mode, choices,
    h("div", { class: "box" }, box,
      h("button", { type: "button", class: "icon", "aria-label": t("insertEmoji"), title: t("insertEmoji"), onclick: insertEmoji }, icon("smile")),
      h("button", { type: "submit", class: "icon send", "aria-label": t("send"), title: t("send") }, icon("send"))),
    h("div", { class: "below quiet" }, quiet, note));
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  // A click beside the box is for the box, and a button in it does not take the focus away (or the keyboard of a phone).
  form.addEventListener("pointerdown", (event) => {
    if (/** @type {HTMLElement} */ (event.target).closest(".send, .choices")) event.preventDefault();
  });
  form.setAttribute("aria-label", t("writeMessage"));
  for (const part of ["open", "link", "conversations", "me"]) store.subscribe(part, part === "open" ? open : surroundings);
  open();
}

const coarse = () => matchMedia("(pointer: coarse)").matches;
const conversation = () => store.conversations.get(key);
/** @returns {Draft} */
const draft = () => /** @type {any} */ (conversation()?.draft) ?? { text: "", replyTo: 0, editing: 0 };

function open() {
  const changed = key !== (store.open ?? "");
  if (!changed) return surroundings();
  stop();
  key = store.open ?? "";
  again = false;
  const parts = [[`draft:${key}`, show], [`typing:${key}`, surroundings]].map(([part, fn]) => store.subscribe(/** @type {string} */ (part), /** @type {any} */ (fn)));
  stop = () => parts.forEach((end) => end());
  form.hidden = !key;
  say("");
  show();
  if (key && !coarse() && !document.querySelector("dialog[open]")) focus();
}

/** Puts the cursor into the box. */
export function focus() {
  box.focus({ preventScroll: true });
}

/** Begins an answer. @param {Message} m */
export function reply(m) {
  const { text, editing, before } = draft();
  change(editing ? { text: before?.text ?? "", replyTo: m.seq, editing: 0 } : { text, replyTo: m.seq, editing: 0 });
}

/** Begins to correct a message; what was being written comes back afterwards. @param {Message} m */
export function edit(m) {
  const { text, replyTo, editing, before } = draft();
  change({ text: m.text, replyTo: 0, editing: m.seq, before: editing ? before : { text, replyTo } });
}

/** Takes a message that could not be sent back into the box. @param {import("./store.js").Outgoing} o */
export async function rewrite(o) {
  leave();
  const { text, replyTo } = draft();
  change({ text: text ? `${text}\n${o.text}` : o.text, replyTo: replyTo || o.replyTo, editing: 0 });
  await outbox.discard(o.localKey);
}

/** Another draft, shown, and the cursor at its end. @param {Draft} next */
function change(next) {
  outbox.saveDraft(key, next);
  show();
  focus();
  box.setSelectionRange(box.value.length, box.value.length);
}

/** Leaves an answer or a correction. @returns whether there was one */
function leave() {
  const { text, replyTo, editing, before } = draft();
  if (!replyTo && !editing) return false;
  change(editing ? { text: before?.text ?? "", replyTo: before?.replyTo ?? 0, editing: 0 } : { text, replyTo: 0, editing: 0 });
  return true;
}

/** The draft as the store has it. */
function show() {
  const { text, replyTo, editing } = draft();
  if (box.value !== text) {
    box.value = text;
    closeChoices();
    grow();
  }
  const seq = editing || replyTo;
  const m = seq ? conversation()?.messages.find((one) => one.seq === seq) : null;
  mode.hidden = !seq;
  if (seq) {
    clear(mode, icon(editing ? "edit" : "reply"), h("span", { class: "one-line" }, t(editing ? "editing" : "replyingTo"), " ", !editing && m && who(m.from),
      m && !editing && h("span", { class: "quiet", dir: "auto" }, ` ${plain(m.text)}`)),
      h("button", { type: "button", class: "icon", "aria-label": t("cancel"), title: `${t("cancel")} (Esc)`, onclick: leave }, icon("close")));
  }
  count();
  surroundings();
}

/** What stands around the box: who is typing, whether there is a link, whether one may speak. */
function surroundings() {
  const c = conversation();
  if (!c) return;
  box.placeholder = t("messageTo", { title: c.title });
  box.setAttribute("aria-label", box.placeholder);
  const names = [...c.typing].filter(([, until]) => until > Date.now()).map(([name]) => name);
  const typing = names.length > 2 ? t("typingMany") : names.length ? t(names.length > 1 ? "typingTwo" : "typingOne", { a: names[0], b: names[1] ?? "" }) : "";
  const said = store.link === "online" ? typing : t("offlineBox");
  if (quiet.textContent !== said) quiet.textContent = said;
  const outside = c.room !== null && !c.joined;
  const listens = c.room !== null && c.joined && c.speaking === "moderators" && c.role === "member";
  const what = outside ? t("notIn", { title: c.title }) : listens ? t("onlyModerators") : "";
  notice.hidden = !what;
  if (notice.dataset.what === what) return;
  notice.dataset.what = what;
  clear(notice, h("span", null, what), outside && h("button", { type: "button", class: "primary", onclick: () => actions.join(c.room).catch(toast) }, t("join")));
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

/** @param {string} text how many characters, as the server counts them */
const characters = (text) => text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);

/** Says how much is left, or too much. @returns {number} how many are too many */
function count() {
  const most = store.limits.characters;
  const length = most && box.value.length > most * WARN ? characters(box.value) : 0;
  const over = Math.max(0, length - most);
  note.classList.toggle("bad", over > 0);
  note.textContent = over ? t("tooLong", { n: over }) : length > most * WARN ? t("charactersLeft", { n: most - length }) : "";
  box.setAttribute("aria-invalid", String(over > 0));
  return over;
}

/** The names of emoji, once one was begun. @type {any} */ let emoji = null;

/** @param {() => void} then */
const withEmoji = (then) => import("./tools.js").then((found) => {
  emoji = found;
  then();
}).catch(toast);

function written() {
  const before = box.value.slice(0, box.selectionStart);
  const named = /(?:^|[\s(]):([\w+-]{2,}):$/.exec(before);
  if (named && !emoji) return withEmoji(written);
  const found = named && emoji.complete(named[1], 1)[0];
  if (named && found?.name === named[1]) put(before.length - named[1].length - 2, found.emoji);
  outbox.saveDraft(key, { ...draft(), text: box.value });
  grow();
  count();
  suggest();
  if (box.value.trim() && !box.value.startsWith("/") && !draft().editing) actions.typing(key);
}

/** Replaces what is between `from` and the cursor; can be undone. @param {number} from @param {string} text */
function put(from, text) {
  box.setRangeText(text, from, box.selectionStart, "end");
}

/** @param {Event} event */
async function insertEmoji(event) {
  const chosen = await later("pick", event.currentTarget);
  focus();
  if (!chosen) return;
  box.setRangeText(chosen, box.selectionStart, box.selectionEnd, "end");
  written();
}

/* Sending */

async function submit() {
  const { text, replyTo, editing } = { ...draft(), text: box.value };
  const said = text.replace(/^\s*\n|\s+$/g, "");
  if (working) { again = true; return; }
  if (!said.trim() || !key) return;
  if (count()) return toast(note.textContent);
  const where = key;
  working = true;
  say("");
  try {
    if (editing) await correct(where, editing, said, text);
    else if (/^\/(?!\/)/.test(said)) await command(where, said, text);
    else {
      await outbox.send(where, said.replace(/^\/\//, "/"), { replyTo }); // two slashes say one
      sent(where, text);
    }
  } catch (error) {
    toast(error);
    again = false;
  } finally {
    working = false;
  }
  if (again && where === key) {
    again = false;
    submit();
  }
}

/** `text` is safe: what was written since stays. @param {string} where @param {string} text */
function sent(where, text) {
  if (where !== key) return;
  const rest = box.value.startsWith(text) ? box.value.slice(text.length) : box.value;
  if (rest) outbox.saveDraft(where, { text: rest, replyTo: 0, editing: 0 });
  box.value = rest;
  closeChoices();
  grow();
  show();
}

/** @param {string} where @param {number} seq @param {string} said @param {string} text */
async function correct(where, seq, said, text) {
  const m = store.conversations.get(where)?.messages.find((one) => one.seq === seq);
  if (m?.text !== said) await actions.edit(seq, said);
  const now = /** @type {any} */ (store.conversations.get(where)?.draft);
  if (now?.editing !== seq || now.text !== text) return; // one went on writing
  outbox.saveDraft(where, { text: now.before?.text ?? "", replyTo: now.before?.replyTo ?? 0, editing: 0 });
  if (where === key) show();
}

/** @param {string} where @param {string} line @param {string} text */
async function command(where, line, text) {
  const { run } = await import("./commands.js");
  let said;
  try {
    said = await run(line, where);
  } catch (/** @type {any} */ error) {
    return say(error.text ?? error.message, true);
  }
  outbox.saveDraft(where, { text: "", replyTo: draft().replyTo, editing: 0 });
  sent(where, text);
  say(said ?? "");
}

/** Shows what a command answered, until one goes on. @param {string} text @param {boolean} [bad] */
function say(text, bad = false) {
  answer.hidden = !text;
  answer.classList.toggle("bad", bad);
  clear(answer, text && h("p", { tabindex: 0 }, text),
    text && h("button", { type: "button", class: "icon", "aria-label": t("close"), title: `${t("close")} (Esc)`, onclick: () => { say(""); focus(); } }, icon("close")));
}

/* Completing */

function suggest() {
  const end = box.selectionStart;
  const before = box.value.slice(Math.max(0, end - 40), end);
  const word = /(?:^|[\s(])([@:])([\w.+-]*)$/.exec(before);
  if (!word || box.selectionEnd !== end || (word[1] === ":" && word[2].length < 2)) return closeChoices();
  if (word[1] === ":" && !emoji) return withEmoji(suggest);
  const found = word[1] === "@" ? names(word[2]).map((name) => ({ label: `@${name}`, insert: `@${name} ` }))
    : emoji.complete(word[2], MOST).map((one) => ({ label: `${one.emoji}  :${one.name}:`, insert: `${one.emoji} ` }));
  offer = { from: end - word[2].length - 1, found, at: -1 };
  drawChoices();
}

/** Who is meant: those who are in the conversation first, those who spoke last before them. @param {string} prefix */
function names(prefix) {
  const c = conversation();
  const word = prefix.toLowerCase();
  const spoke = (c?.messages ?? []).slice(-SPEAKERS).reverse().map((m) => m.from);
  const here = [...store.people.values()].sort((a, b) => Number(b.here) - Number(a.here)).map((one) => one.name);
  return [...new Set([...(c?.with ?? []), ...spoke, ...here])].filter((name) => !isMe(name) && name.toLowerCase().startsWith(word)).slice(0, MOST);
}

function drawChoices() {
  const { found, at } = offer;
  choices.hidden = !found.length;
  choices.replaceChildren(...found.map((one, index) => h("div", {
    role: "option", id: `choice${index}`, "aria-selected": String(index === at), onclick: () => take(index),
  }, one.label)));
  if (at >= 0) {
    box.setAttribute("aria-activedescendant", `choice${at}`);
    choices.children[at].scrollIntoView({ block: "nearest" });
  } else box.removeAttribute("aria-activedescendant");
}

function closeChoices() {
  offer = { from: 0, found: [], at: -1 };
  drawChoices();
}

/** @param {number} index */
function take(index) {
  put(offer.from, offer.found[index].insert);
  closeChoices();
  written();
}

/** Tab in a command line. @param {KeyboardEvent} event */
async function completeCommand(event) {
  event.preventDefault();
  const line = box.value;
  const { complete } = await import("./commands.js");
  const found = await complete(line);
  const lines = Array.isArray(found) ? found : found ? [found] : [];
  if (box.value !== line || !lines.length) return;
  if (lines.length > 1) {
    offer = { from: 0, found: lines.slice(0, MOST).map((one) => ({ label: one, insert: one })), at: 0 };
    return drawChoices();
  }
  box.value = lines[0];
  written();
}

/** @param {KeyboardEvent} event */
function keys(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (key_(event)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {KeyboardEvent} event @returns whether the key was for this */
function key_(event) {
  const { found, at } = offer;
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (found.length && step) {
    offer.at = at < 0 && step < 0 ? found.length - 1 : (at + step + found.length) % found.length;
    drawChoices();
  } else if (found.length && ((event.key === "Tab" && !event.shiftKey) || (event.key === "Enter" && at >= 0))) take(Math.max(0, at));
  else if (found.length && event.key === "Escape") closeChoices();
  else if (event.key === "Tab" && !event.shiftKey && box.value.startsWith("/")) completeCommand(event).catch(toast);
  else if (event.key === "Enter" && !event.shiftKey && !coarse()) submit();
  else if (event.key === "Escape" && !answer.hidden) say("");
  else if (event.key === "Escape") return leave();
  else if (event.key === "ArrowUp" && !box.value && !draft().editing) return editLast();
  else if (event.key === "PageUp" || event.key === "PageDown") page(event.key === "PageUp" ? -1 : 1);
  else return false;
  return true;
}

function editLast() {
  const m = conversation()?.messages.findLast((one) => one.own && !one.deleted && one.kind !== "change");
  if (m && store.can.has("edit")) edit(m);
  return Boolean(m);
}
