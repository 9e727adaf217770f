// @ts-check
// What is done with a message: its tools, by mouse, keyboard and finger, and the emoji to react with.
import * as actions from "./actions.js";
import * as composer from "./composer.js";
import { ask, h, icon, toast } from "./dom.js";
import { plain } from "./format.js";
import { listed } from "./list.js";
import { go } from "./main.js";
import * as outbox from "./outbox.js";
import { isMe, store } from "./store.js";
import { t, time } from "./words.js";

/** @typedef {import("./store.js").Message} Message */

const PRESS = 450; // ms of a long press
const SLIP = 10; // px that a finger may move meanwhile
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** Everything that can be done with the rows of the list, by mouse, keyboard and finger. */
export function mountTools() {
  const list = listed();
  const { rows } = list;
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

/** Says what a row is, once that is of use. @param {HTMLElement} row @param {any} of */
function describe(row, of) {
  if (row.hasAttribute("aria-label") || !of) return;
  const said = of.deleted ? t("deletedMessage") : plain(of.text).slice(0, 200);
  row.setAttribute("aria-label", `${of.from ?? store.me?.name}, ${time(of.at)}: ${said}`);
  /** @type {HTMLElement} */ (row.querySelector(".at")).title = full.format(of.at);
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

// -- Emoji --

/** The first of each name is what a reaction or a text gets. */
const LIST =
  "grinning😀smile😄grin😁laughing😆sweat_smile😅rofl🤣joy😂slight_smile🙂upside_down🙃wink😉blush😊innocent😇hearts_face🥰heart_eyes😍" +
  "star_struck🤩kissing_heart😘yum😋tongue😛zany🤪hug🤗oops🤭shush🤫thinking🤔salute🫡neutral😐smirk😏roll_eyes🙄grimace😬relieved😌pensive😔" +
  "sleepy😪sleeping😴mask😷sick🤒hot🥵cold🥶exploding_head🤯party🥳sunglasses😎nerd🤓confused😕worried😟frown🙁open_mouth😮flushed😳pleading🥺" +
  "fearful😨cry😢sob😭scream😱weary😩yawn🥱triumph😤rage😡devil😈skull💀poop💩clown🤡ghost👻robot🤖see_no_evil🙈heart❤️orange_heart🧡" +
  "yellow_heart💛green_heart💚blue_heart💙purple_heart💜broken_heart💔kiss💋hundred💯boom💥zzz💤wave👋raised_hand✋ok_hand👌victory✌️" +
  "fingers_crossed🤞point_left👈point_right👉point_up👆point_down👇thumbsup👍+1👍thumbsdown👎-1👎fist✊punch👊clap👏raised_hands🙌handshake🤝" +
  "pray🙏writing✍️muscle💪eyes👀brain🧠facepalm🤦shrug🤷bow🙇runner🏃dog🐶cat🐱fox🦊bear🐻panda🐼monkey🐵penguin🐧unicorn🦄bee🐝bug🐛butterfly🦋" +
  "snail🐌turtle🐢tree🌳seedling🌱rose🌹earth🌍moon🌙sun☀️star⭐sparkles✨zap⚡fire🔥rainbow🌈snowflake❄️apple🍎banana🍌bread🍞pizza🍕burger🍔" +
  "cookie🍪cake🍰birthday🎂coffee☕tea🍵beer🍺beers🍻wine🍷champagne🍾soccer⚽trophy🏆dart🎯game🎮art🎨music🎵tada🎉confetti🎊balloon🎈gift🎁car🚗" +
  "train🚆bike🚲plane✈️rocket🚀construction🚧stop🛑house🏠beach🏖️map🗺️watch⌚alarm⏰hourglass⏳phone📱laptop💻keyboard⌨️bulb💡plug🔌book📖" +
  "memo📝pencil✏️folder📁calendar📅chart📈clipboard📋pushpin📌paperclip📎scissors✂️lock🔒unlock🔓key🔑hammer🔨wrench🔧gear⚙️link🔗microscope🔬" +
  "pill💊broom🧹bell🔔loudspeaker📢mail✉️package📦money💰mag🔍check✅x❌warning⚠️no_entry⛔question❓exclamation❗recycle♻️up⬆️down⬇️left⬅️" +
  "right➡️new🆕ok🆗sos🆘red_circle🔴green_circle🟢";

/** @type {[name: string, emoji: string][]} */
const all = [...LIST.matchAll(/([\w+-]+)([^\w+-]+)/g)].map(([, name, emoji]) => [name, emoji]);

/** Those offered first. */
export const common = ["👍", "❤️", "😂", "🎉", "👀", "✅"];

/** The emoji whose names begin with `prefix`, then those that have it inside. @param {string} prefix @param {number} [most] */
export function complete(prefix, most = 8) {
  const word = prefix.toLowerCase();
  const from = all.filter(([name]) => name.startsWith(word));
  const inside = all.filter(([name]) => name.indexOf(word) > 0);
  return [...from, ...inside].slice(0, most).map(([name, emoji]) => ({ name, emoji }));
}

/**
 * The small picker beside an element. Escape or a click elsewhere is null. Focus goes back.
 * @param {Element} anchor @returns {Promise<string | null>}
 */
export function pick(anchor) {
  return new Promise((resolve) => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const grid = h("div", { class: "grid" });
    const find = h("input", {
      type: "search", placeholder: t("findEmoji"), "aria-label": t("findEmoji"), autocomplete: "off",
      oninput: () => fill(find.value.trim()), onkeydown: keys,
    });
    const picker = h("div", { class: "picker", popover: "auto", role: "dialog", "aria-label": t("react") }, find, grid);
    /** @type {string | null} */ let chosen = null;

    /** @param {string} word */
    function fill(word) {
      const found = word ? complete(word, 60) : [...common.map((emoji) => ({ name: nameOf(emoji), emoji })), ...complete("", 999)];
      grid.replaceChildren(...found.map(({ name, emoji }, at) =>
        h("button", { type: "button", "aria-label": name, title: `:${name}:`, tabindex: at ? -1 : 0, onclick: () => done(emoji), onkeydown: keys }, emoji)));
      if (!found.length) grid.append(h("p", { class: "quiet" }, t("noEmoji")));
    }
    /** @param {string | null} emoji */
    function done(emoji) {
      chosen = emoji;
      picker.hidePopover();
    }
    /** @param {KeyboardEvent} event */
    function keys(event) {
      const buttons = [...grid.querySelectorAll("button")];
      const at = buttons.indexOf(/** @type {any} */ (event.target));
      const across = Math.max(1, buttons.filter((one) => one.offsetTop === buttons[0].offsetTop).length);
      const steps = at < 0 ? { ArrowDown: 1 } : { ArrowDown: across, ArrowUp: -across, ArrowRight: 1, ArrowLeft: -1 };
      const step = steps[event.key];
      if (event.key === "Enter" && at < 0 && buttons[0]) done(buttons[0].textContent);
      else if (step) (at + step < 0 ? find : buttons[Math.min(buttons.length - 1, at + step)])?.focus();
      else if (event.key === "Escape") picker.hidePopover();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }
    picker.addEventListener("toggle", (/** @type {any} */ event) => {
      if (event.newState !== "closed") return;
      picker.remove();
      if (before?.isConnected) before.focus({ preventScroll: true });
      resolve(chosen);
    });
    fill("");
    document.body.append(picker);
    picker.showPopover();
    place(picker, anchor);
    find.focus({ preventScroll: true });
  });
}

/** @param {string} emoji */
const nameOf = (emoji) => all.find((one) => one[1] === emoji)?.[0] ?? emoji;

/** Puts a popover beside an element, inside the window. @param {HTMLElement} popover @param {Element} anchor */
export function place(popover, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const above = at.top - height - 4;
  const top = at.bottom + 4 + height < innerHeight ? at.bottom + 4 : Math.max(8, above);
  popover.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
  popover.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
}
