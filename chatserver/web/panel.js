// Beside the talk: the people and settings of a conversation, somebody, and one's account.
import { h, ask, clear, icon, keyed, setting, toast } from "./dom.js";
import { day, t, time } from "./words.js";
import { wire } from "./wire.js";
import { fold, isMe, store } from "./store.js";
import * as actions from "./actions.js";
import { setup } from "./commands.js";
import { closers, dialog, fitting, picker } from "./palette.js";
import { dot, join, presence, statusOf } from "./sidebar.js";
import * as main from "./main.js";

const RANKS = ["", "member", "moderator", "owner"];
const MUTES = [10, 60, 1440];
const FILTER_FROM = 12;
const narrow = matchMedia("(max-width: 899px)");

/** Whoever tells of messages says here how: `state()` is "on", "off" or "denied"; `set(on)` changes it. */
export const notifier = { state: null, set: null };

let panel;
let shown = "";
let opener = null;
let behind = null;
let stop = [];

// -- Opening and closing --

const VIEWS = { talk: talkView, person: personView, account: accountView };

/** Show something beside the talk: "talk", "person" with a name, or "account". */
export function showPanel(what, about = null) {
  if (!store.panel) opener = document.activeElement;
  behind = what === "person" && store.panel?.what === "talk" ? store.panel : null;
  main.panel(what, about);
}

/** Close the panel; the focus goes back to what had opened it. @returns whether it was open */
export function hidePanel() {
  if (!store.panel) return false;
  main.panel(null);
  return true;
}

/** Draw what the history says is shown, where that is another than before. */
function sync() {
  const what = store.me && store.panel?.what !== "search" ? store.panel : null;
  const now = what ? JSON.stringify([what, what.what !== "account" && store.open]) : "";
  document.getElementById("details")?.setAttribute("aria-expanded", String(what?.what === "talk"));
  if (now === shown) return;
  const before = shown;
  const had = panel.contains(document.activeElement) || document.activeElement === document.body;
  shown = now;
  if (what) return draw(before === "" || had);
  release();
  clear(panel);
  panel.hidden = true;
  if (had && opener?.isConnected) opener.focus({ preventScroll: true });
}

function release() {
  for (const each of stop.splice(0)) each();
}

function draw(focus) {
  release();
  const { what, about } = store.panel;
  const title = h("h1", { tabindex: "-1", class: "one-line" });
  const body = h("div", { class: "panel-in" });
  const back = behind || narrow.matches;
  clear(panel, h("header", null,
    h("button", { class: "icon", type: "button", "aria-label": t(back ? "back" : "close"), onClick: () => (behind ? showPanel("talk") : hidePanel()) }, icon(back ? "back" : "close")), title), body);
  panel.hidden = false;
  VIEWS[what]?.(body, title, about);
  if (store.link !== "online") follow(["link", () => store.link === "online" && again()]);
  panel.parentElement.setAttribute("aria-label", title.textContent);
  if (focus) title.focus({ preventScroll: true });
}

const again = () => draw(panel.contains(document.activeElement));
const follow = (...pairs) => stop.push(...pairs.map(([part, fn]) => store.subscribe(part, fn)));
const act = (promise, then) => promise.then(then, toast);
const button = (label, onClick, props = {}) => h("button", { type: "button", onClick, ...props }, label);
const choice = (label, values, value, change) => h("label", { class: "field" }, h("span", null, label),
  h("select", { onChange: ({ target }) => change(target.value) }, values.map(([each, text]) => h("option", { value: each, selected: each === value }, text))));
const section = (title, ...content) => h("section", null, title && h("h2", null, title), ...content);

/** The role that somebody acts in: admins of the server act as owners of what is open. */
const rank = (c) => (store.me?.admin && c.access === "open" ? 3 : RANKS.indexOf(c.role ?? ""));

// -- A conversation --

function talkView(body, title) {
  const c = store.conversations.get(store.open);
  if (!c) return;
  title.textContent = c.title;
  if (c.room === null) return void body.append(...privateParts(c));
  let state = signature(c);
  follow(["conversations", () => state !== (state = signature(c)) && again()]);
  body.append(topicPart(c), c.joined ? notifyPart(c) : button(t("joinRoom"), () => join(c.room), { class: "primary" }), peoplePart(c), ...roomParts(c));
}

const signature = (c) => JSON.stringify([c.topic, c.access, c.speaking, c.history, c.role, c.joined, c.notify]);

const notifyPart = (c) => section(null, choice(t("notifyMe"), [["all", t("notifyAll")], ["mentions", t("notifyMentions")], ["none", t("notifyNone")]], c.notify,
  (value) => actions.notify(c.key, value)));

function privateParts(c) {
  const names = c.with.filter((each) => !isMe(each));
  const list = h("ul", { class: "people" });
  const redraw = () => keyed(list, (names.length ? names : c.with).map((name) => personRow(name)));
  redraw();
  follow(["people", redraw]);
  return [section(t("nPeople", { n: names.length + 1 }), list), notifyPart(c)];
}

const personRow = (name, notes = "") => ({
  key: name, sign: presence(name) + notes,
  make: () => h("li", null, h("button", { type: "button", onClick: () => showPanel("person", name) },
    dot(name), h("span", { class: "one-line" }, isMe(name) ? t("myself", { name }) : name), notes && h("span", { class: "quiet small" }, notes))),
});

function topicPart(c) {
  const may = c.joined && rank(c) >= (c.speaking === "moderators" ? 2 : 1);
  const text = h("p", { class: c.topic ? "topic" : "topic quiet" }, c.topic || (may ? t("noTopic") : ""));
  const edit = () => {
    const field = h("input", { type: "text", value: c.topic, "aria-label": t("topic"), maxlength: "200" });
    const box = dialog(t("topic"), h("form", { method: "dialog", onSubmit: () => field.value.trim() !== c.topic && act(actions.topic(c.room, field.value.trim())) },
      field, h("div", { class: "buttons" }, button(t("cancel"), () => box.close(), { class: "soft" }), h("button", { class: "primary" }, t("save")))));
    field.focus();
  };
  return section(null, text, may && button(t("changeTopic"), edit, { class: "plain" }));
}

function peoplePart(c) {
  const list = h("ul", { class: "people" });
  const guests = h("ul", { class: "people" });
  const title = h("h2", null, t("nPeople", { n: c.people || 1 }));
  const filter = h("input", { type: "search", "aria-label": t("filterPeople"), placeholder: t("filterPeople"), hidden: true, onInput: () => fill() });
  const waiting = h("section", { hidden: true }, h("h2", null, t("invitations")), guests);
  let members = [];
  const fill = () => {
    const order = (each) => (presence(each.name) === "away" ? 1 : 0);
    const sorted = fitting(filter.value, members.map((each) => ({ ...each, label: each.name }))).sort((one, other) => order(one) - order(other));
    keyed(list, sorted.map((each) => personRow(each.name, [each.role !== "member" && t(`role_${each.role}`), each.muted && t("muted")].filter(Boolean).join(", "))));
  };
  const fetch = () => wire.request("members", { room: c.room }).then((reply) => {
    members = reply.members;
    title.textContent = t("nPeople", { n: members.length });
    filter.hidden = members.length < FILTER_FROM;
    fill();
    const invited = reply.invited ?? [];
    waiting.hidden = !invited.length;
    keyed(guests, invited.map((name) => ({
      key: name, sign: "", make: () => h("li", { class: "split" }, h("span", { class: "one-line" }, name),
        rank(c) >= 2 && button(t("withdraw"), () => act(actions.expel(c.room, name, ""), fetch), { class: "plain", "aria-label": t("withdrawOf", { name }) })),
    })));
  }, () => {});
  fetch();
  follow(["people", fill]);
  stop.push(wire.on((event) => event.event === "room" && event.room === c.room && fetch()));
  const mayInvite = c.joined && c.room !== "lobby" && rank(c) >= (c.access === "closed" ? 2 : 1);
  const invite = () => pickPerson(t("inviteTo", { room: c.room }), (name) => !members.some((each) => each.name === name), (name) => act(actions.invite(c.room, name), () => {
    toast(t("invitedTo", { name, room: c.room }));
    fetch();
  }));
  return h("section", null, title, filter, list, mayInvite && button([icon("plus"), t("invite")], invite, { class: "with-icon" }), waiting);
}

function pickPerson(title, may, then) {
  const { element, input } = picker({
    label: title, hint: t("name"),
    find: (query) => fitting(query, [...store.people.keys()].filter((name) => !isMe(name) && may(name)).map((name) => ({ label: name, mark: dot(name) }))),
    take: (entry) => {
      const name = entry?.label ?? input.value.trim();
      if (!name) return;
      box.close();
      then(name);
    },
  });
  const box = dialog(title, element);
  input.focus();
}

function roomParts(c) {
  const set = (field) => (value) => act(actions.set(c.room, { [field]: value }), null);
  const lobby = c.room === "lobby";
  const fields = rank(c) < 3 || lobby ? h("p", { class: "quiet" }, `${setup(c).join(", ")}.`) : h("div", { class: "fields" },
    choice(t("access"), [["open", t("setup_open")], ["closed", t("setup_closed")]], c.access, set("access")),
    choice(t("speaking"), [["everyone", t("setup_everyone")], ["moderators", t("setup_announce")]], c.speaking, set("speaking")),
    choice(t("past"), [["all", t("setup_past")], ["joined", t("setup_nopast")]], c.history, set("history")));
  const leave = async () => {
    if (await ask(t("leaveAsk", { room: c.room }), t("leave"), t("stay"))) act(actions.leave(c.room), () => main.go("/"));
  };
  return [section(t("settings"), fields), c.joined && !lobby && section(null, button(t("leaveRoom", { room: c.room }), leave, { class: "danger" }))].filter(Boolean);
}

// -- Somebody --

function personView(body, title, name) {
  title.textContent = name;
  const status = h("p", { class: "quiet" });
  const redraw = () => clear(status, dot(name), " ", statusOf(name));
  redraw();
  follow(["people", redraw], ["me", redraw]);
  const shared = [...store.conversations.values()].filter((each) => each.with && each.with.length > 1 && each.with.includes(name));
  const c = store.conversations.get(store.open);
  const controls = h("div", null);
  body.append(section(null, status, isMe(name) ? button(t("account"), () => showPanel("account")) : button(t("talkTo", { name }), () => main.goTo(name), { class: "primary" })), controls);
  if (c?.room) moderate(controls, c, name);
  const both = h("ul", { class: "people" });
  const part = section(t("shared"), both);
  part.hidden = !shared.length;
  body.append(part);
  const link = (key, label) => ({ key, sign: label, make: () => h("li", null, button([icon(key[0] === "#" ? "hash" : "people"), h("span", { class: "one-line" }, label)], () => main.goTo(key))) });
  const list = shared.map((each) => link(each.key, each.title));
  keyed(both, list);
  if (!isMe(name)) sharedRooms(name).then((found) => {
    keyed(both, [...found.map((room) => link(`#${room}`, room)), ...list]);
    part.hidden = !found.length && !list.length;
  });
}

/** The rooms of one's own in which somebody else is, too; the newest dozen are asked. */
async function sharedRooms(name) {
  const mine = [...store.conversations.values()].filter((each) => each.room && each.joined && each.room !== "lobby").slice(0, 12);
  const found = await Promise.all(mine.map((each) => wire.request("members", { room: each.room })
    .then(({ members }) => members.some((member) => fold(member.name) === fold(name)) && each.room, () => false)));
  return found.filter(Boolean);
}

function moderate(element, c, name) {
  wire.request("members", { room: c.room }).then(({ members }) => {
    const member = members.find((each) => fold(each.name) === fold(name));
    if (!member || !element.isConnected) return;
    const mine = rank(c);
    const his = RANKS.indexOf(member.role);
    const may = !isMe(name) && mine >= 2 && (mine > his || mine === 3);
    const roles = c.room === "lobby" ? ["moderator", "member"] : ["owner", "moderator", "member"];
    const role = mine === 3 ? choice(t("role"), roles.map((each) => [each, t(`role_${each}`)]), member.role, (value) => act(actions.role(c.room, name, value), again))
      : h("p", { class: "quiet" }, t(`role_${member.role}`));
    clear(element, section(t("inRoom", { room: c.room }), role, may && mutePart(c, member, again), may && c.room !== "lobby" && button(t("removeFrom", { room: c.room }), () => removeDialog(c, name), { class: "danger" })));
  }, () => {});
}

const mutePart = (c, { name, muted }, again) => h("div", { class: "row", role: "group", "aria-label": t("mute") },
  muted ? button(t("unmute"), () => act(actions.mute(c.room, name, 0), again), { class: "soft" }) : [h("span", { class: "quiet" }, t("muteFor")),
    MUTES.map((n) => button(t(n < 60 ? "minutes" : n < 1440 ? "hours" : "days", { n: n < 60 ? n : n < 1440 ? n / 60 : n / 1440 }), () => act(actions.mute(c.room, name, n), again), { class: "soft" }))]);

function removeDialog(c, name) {
  const reason = h("input", { type: "text", maxlength: "200" });
  const box = dialog(t("removeTitle", { name, room: c.room }), h("form", { method: "dialog", onSubmit: () => act(actions.expel(c.room, name, reason.value.trim()), () => showPanel("talk")) },
    h("label", { class: "field" }, h("span", null, t("reason")), reason),
    h("div", { class: "buttons" }, button(t("cancel"), () => box.close(), { class: "soft" }), h("button", { class: "primary bad" }, t("remove")))));
  reason.focus();
}

// -- One's account --

function accountView(body, title) {
  title.textContent = store.me?.name ?? "";
  const status = h("div", null);
  const redraw = () => clear(status, standing());
  redraw();
  follow(["me", redraw]);
  body.append(section(t("status"), status), section(t("thisBrowser"), browserPart()), devicesPart(),
    section(null, button([icon("out"), t("logOut")], () => actions.logout(), { class: "with-icon danger" })));
}

const check = (label, checked, change, detail) => h("label", { class: "check" }, h("input", { type: "checkbox", checked, onChange: ({ target }) => change(target.checked) }),
  h("span", null, label, detail && h("small", { class: "quiet" }, detail)));

function standing() {
  const me = store.me ?? { busy: false, hidden: false, reply: "" };
  const reply = h("input", { type: "text", id: "busy-reply", maxlength: "200", value: me.reply ?? "", placeholder: t("busyHint") });
  const form = h("form", { class: "row", onSubmit: (event) => {
    event.preventDefault();
    act(actions.busy(reply.value.trim()));
  } }, h("label", { for: "busy-reply", class: "small quiet" }, t("busyReply")), reply, h("button", { class: "soft" }, t("save")));
  return [check(t("busyLabel"), me.busy, (on) => act(on ? actions.busy(reply.value.trim()) : actions.idle()), t("busyDetail")), form,
    check(t("hiddenLabel"), me.hidden, (on) => act(on ? actions.hide() : actions.appear()), t("hiddenDetail"))];
}

const browserPart = () => h("div", { class: "fields" },
  choice(t("theme"), [["auto", t("themeAuto")], ["light", t("themeLight")], ["dark", t("themeDark")]], setting("theme") ?? "auto", (value) => {
    setting("theme", value);
    main.dress();
  }),
  check(t("sound"), setting("sound") !== "off", (on) => setting("sound", on ? "on" : "off")),
  notifier.state && check(t("notifications"), notifier.state() === "on", (on) => act(notifier.set(on).finally(again)), notifier.state() === "denied" && t("notificationsDenied")));

function devicesPart() {
  const list = h("ul", { class: "devices" });
  const part = h("section", { hidden: true }, h("h2", null, t("devices")), list);
  const fetch = () => wire.request("devices").then(({ devices }) => {
    part.hidden = false;
    keyed(list, devices.map((each) => ({
      key: String(each.device), sign: each.seen, make: () => h("li", { class: "split" },
        h("span", null, each.client || t("unknownDevice"), h("small", { class: "quiet" }, each.this ? t("thisDevice") : t("seenAt", { when: `${day(Date.parse(each.seen))}, ${time(Date.parse(each.seen))}`, address: each.address }))),
        !each.this && button(t("revoke"), () => act(wire.request("revoke", { device: each.device }), fetch), { class: "plain", "aria-label": t("revokeOf", { client: each.client }) })),
    })));
  }, toast);
  if (store.can.has("devices") && store.link === "online") fetch();
  return part;
}

/** Prepare the panel, and show what it should. */
export function mountPanel(element) {
  panel = h("div", { class: "view" });
  element.append(panel);
  closers.push(hidePanel);
  store.subscribe("open", sync);
  store.subscribe("me", sync);
  sync();
}
