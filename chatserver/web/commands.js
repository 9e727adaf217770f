// The `/`-line: the server's own commands, as it describes them in its answer to `help`, read as the
// terminal reads them (chatwire/usage.py), and the page's own, which the palette offers too.
import { t, ago } from "./words.js";
import { wire } from "./wire.js";
import { keyOf, keyWith, store } from "./store.js";
import * as actions from "./actions.js";
import * as outbox from "./outbox.js";
import { go, goTo } from "./main.js";
import { isSlip, OFFERS } from "./palette.js";

export { isSlip };

const SETTINGS = {
  open: ["access", "open"], closed: ["access", "closed"],
  announce: ["speaking", "moderators"], everyone: ["speaking", "everyone"],
  past: ["history", "all"], nopast: ["history", "joined"],
};
const ROLES = ["owner", "moderator", "member"];
const ALIASES = {
  say: "broadcast", msg: "send", away: "busy", back: "idle", names: "who", quit: "logout", exit: "logout", query: "talk",
};
const OWN = [
  { name: "talk", aliases: [], summary: "", parameters: [{ name: "to", label: "user", kind: "place", required: false }] },
  { name: "next", aliases: [], summary: "", parameters: [] },
];
const MOST_UNREAD = 100;
const MOST_COUNTED = 10000;

/** What was typed does not fit the command; `text` says how to put it right. */
export class UsageError extends Error {
  code = "usage";
  get text() { return this.message; }
}

// -- What the page itself offers --

/** All that the page offers, in order. */
export const offers = () => OFFERS;
const offered = (name) => OFFERS.find((each) => each.name === name);
/** Do what is offered as `name`. */
export const perform = (name, rest) => offered(name)?.run(rest);

// -- The commands there are --

let known = new Map();
let words = new Map();

/** Read the commands from the answer to `help`. */
export function learn(list) {
  known = new Map(list.map((each) => [each.name.toLowerCase(), each]));
  for (const each of OWN) if (!known.has(each.name)) known.set(each.name, { ...each, summary: t(`cmd_${each.name}`) });
  words = new Map(known);
  const also = (alias, command) => {
    if (command && !words.has(alias)) words.set(alias, command);
  };
  for (const each of known.values()) for (const alias of each.aliases) also(alias.toLowerCase(), each);
  for (const [alias, name] of Object.entries(ALIASES)) also(alias, known.get(name));
}

let learning = null;

/** Ask the server for its commands, once; afterwards `complete` knows them. */
export function load() {
  learning ??= wire.request("help", {}).then((reply) => learn(reply.commands), (error) => {
    learning = null;
    throw error;
  });
  return learning;
}

/** All commands, each once, in the server's order. */
export const commands = () => [...known.values()];

// -- How a command is typed --

/** Every way to type a command: `send <user> <message>`, with brackets, to a room. */
export function usageLines({ name, parameters }) {
  const kinds = new Set(parameters.map((each) => each.kind));
  const forms = ["one"];
  if (kinds.has("names") || kinds.has("place")) forms.push("several");
  if (kinds.has("place")) forms.push("room");
  return forms.map((form) => [name, ...parameters.map((each) => placeholder(each, form))].join(" "));
}

function placeholder({ kind, label, required }, form) {
  let text = `<${label}>`;
  if (kind === "room" || (kind === "place" && form === "room")) text = "#<room>";
  else if (kind === "target") text = `^${text}`;
  else if (kind === "reaction") text = `[-]${text}`;
  else if ((kind === "names" || kind === "place") && form === "several") text = `(${text} ${text} …)`;
  return required ? text : `[${text}]`;
}

const usage = (command) => t("usage", { usage: usageLines(command).join(t("usageOr")) });
const isNumber = (word) => /^[0-9]+$/.test(word);
const roomName = (word) => (word.length > 1 && word[0] === "#" ? word.slice(1) : null);

function firstWord(text) {
  const [, word = "", rest = ""] = /^\s*(\S+)\s*([^]*)$/.exec(text) ?? [];
  return { word, rest };
}

/** The arguments in `rest`, what was typed after the command's name. Throws UsageError. */
export function parseArguments(command, rest) {
  /** @type {Record<string, any>} */
  const values = {};
  let left = rest.trim();
  for (const [at, parameter] of command.parameters.entries()) {
    if (isSkipped(parameter, command.parameters[at + 1], left)) continue;
    if (!left) {
      if (parameter.required) throw new UsageError(`${t("usageMissing", { label: parameter.label })} ${usage(command)}`);
      break;
    }
    left = take(command, parameter, left, values);
  }
  if (left) throw new UsageError(`${t("usageLeft", { text: left.slice(0, 40) })} ${usage(command)}`);
  return values;
}

/** Whether an optional name was left out before a number: `history 20`. */
function isSkipped({ required, kind }, following, rest) {
  if (required) return false;
  const { word } = firstWord(rest);
  if (kind === "target") return !/^\^[0-9]+$/.test(word);
  return ["name", "names", "place"].includes(kind) && following?.kind === "number" && isNumber(word);
}

/** Put the fields of one parameter into `values`; returns what is left after it. */
function take(command, { kind, name, label }, rest, values) {
  if (kind === "reaction") {
    const taken = rest.replace(/^-/, "").trim();
    Object.assign(values, taken && taken !== rest ? { [name]: taken, on: false } : { [name]: rest });
    return "";
  }
  if (kind === "words") {
    values[name] = rest;
    return "";
  }
  if (kind === "settings") {
    Object.assign(values, settings(command, rest));
    return "";
  }
  if ((kind === "names" || kind === "place") && rest.startsWith("(")) {
    const end = rest.indexOf(")");
    const names = rest.slice(1, Math.max(end, 1)).split(/[\s,]+/).filter(Boolean);
    if (!names.length) throw new UsageError(`${t("usageBrackets")} ${usage(command)}`);
    values[name] = names;
    return rest.slice(end + 1).trim();
  }
  const { word, rest: after } = firstWord(rest);
  const room = roomName(word);
  if (room && (kind === "name" || kind === "names")) throw new UsageError(`${t("usageRoom", { word: word.slice(0, 40) })} ${usage(command)}`);
  if (kind === "place" && room) values.room = room;
  else if (kind === "names" || kind === "place") values[name] = [word];
  else if (kind === "room") values[name] = room ?? word;
  else if (kind === "number" || kind === "target") values[name] = whole(command, label, kind === "target" ? word.replace(/^\^/, "") : word);
  else values[name] = word;
  return after.trim();
}

function whole(command, label, word) {
  if (isNumber(word) && Number.isSafeInteger(Number(word))) return Number(word);
  throw new UsageError(`${t("usageNumber", { label, word: word.slice(0, 40) })} ${usage(command)}`);
}

function settings(command, rest) {
  return Object.fromEntries(rest.toLowerCase().split(/\s+/).map((word) => {
    if (!Object.hasOwn(SETTINGS, word)) {
      throw new UsageError(`${t("usageSettings", { word: word.slice(0, 40), known: Object.keys(SETTINGS).join(", ") })} ${usage(command)}`);
    }
    return SETTINGS[(word)];
  }));
}

/** The candidate that a slip of the finger makes `word` of, or undefined: one letter more, one less, two
 * in the wrong order, in a long word another one. */
export function near(word, candidates) {
  return [...candidates].find((each) => isSlip(word.toLowerCase(), each.toLowerCase()));
}

/** The command and its fields in a line that begins with a slash. Throws UsageError. */
export function parse(line) {
  const { word, rest } = firstWord(line.trim().replace(/^\//, ""));
  const command = words.get(word.toLowerCase());
  if (!command) throw new UsageError(unknown(word, rest));
  return { op: command.name, fields: parseArguments(command, rest) };
}

function unknown(word, rest) {
  const close = near(word, words.keys());
  const shown = { word: word.slice(0, 40), close: close ?? "" };
  return t(close && couldTake(close, rest) ? "cmdNear" : "cmdUnknown", shown);
}

function couldTake(word, rest) {
  try {
    return Boolean(parseArguments((words.get(word)), rest));
  } catch {
    return !rest.trim();
  }
}

// -- Completion --

/** The lines that `line`, which begins with a slash, can become. @returns {Promise<string[]>} */
export async function complete(line) {
  await load().catch(() => {});
  const space = line.search(/\s/);
  if (space < 0) {
    const own = offers().map((each) => each.name).filter((name) => !words.has(name));
    return matching([...known.keys(), ...own], line, line.slice(1));
  }
  const command = words.get(line.slice(1, space).toLowerCase());
  const rest = line.slice(space + 1).replace(/^\s+/, "");
  const word = /[^\s(,]*$/.exec(rest)?.[0] ?? "";
  const parameter = command && parameterAt(command, rest);
  return parameter ? matching(candidates(parameter, rest, word), line, word) : [];
}

function matching(all, line, begun) {
  const before = line.slice(0, line.length - begun.length);
  return all.filter((text) => text.toLowerCase().startsWith(begun.toLowerCase())).map((text) => `${before}${text} `);
}

function candidates({ kind, name }, rest, word) {
  const people = [...store.people.keys()];
  const rooms = [...store.conversations.keys(), ...[...store.rooms.keys()].map((each) => `#${each}`)].filter((each, at, all) => each[0] === "#" && all.indexOf(each) === at);
  if (kind === "name" || kind === "names") return people;
  if (kind === "room") return rooms;
  if (kind === "place") return rest.startsWith("(") ? people : [...people, ...rooms];
  if (kind === "settings") return Object.keys(SETTINGS);
  if (kind === "word") return name === "role" ? ROLES : [...known.keys()];
  if (kind === "words" && word) return word.startsWith("#") ? rooms : people;
  return [];
}

function parameterAt({ parameters }, rest) {
  let typed = rest;
  let list = parameters;
  if (typed.startsWith("(") && ["names", "place"].includes(list[0]?.kind)) {
    const end = typed.indexOf(")");
    if (end < 0) return list[0];
    typed = typed.slice(end);
  }
  if (list[0]?.kind === "target" && !typed.startsWith("^")) list = list.slice(1);
  const last = list.at(-1);
  return list[typed.split(" ").length - 1] ?? (last && ["words", "settings"].includes(last.kind) ? last : undefined);
}

// -- Doing it --

/** Do what a line says that begins with a slash, in the conversation `key`. Resolves to words to show,
 * or null where the page shows it itself; rejects with `{code, text}`, and then nothing has happened. */
export async function run(line, key) {
  const { word, rest } = firstWord(line.trim().replace(/^\//, ""));
  const own = offered(word.toLowerCase());
  await load().catch((error) => {
    if (!own && !known.size) throw error;
  });
  if (own && !words.has(own.name)) return own.run(rest) ?? null;
  const { op, fields } = parse(line);
  const act = (ACTS)[op];
  if (act) return (await act(fields, key)) ?? null;
  return describe(await wire.request(op, fields));
}

const placeOf = ({ room, to, with: others }) => {
  if (room) return [...store.conversations.keys()].find((each) => each.toLowerCase() === `#${room.toLowerCase()}`) ?? `#${room}`;
  const names = others ?? to ?? [];
  if (names.length === 1 && names[0].toLowerCase() === "lobby") return "#lobby";
  return names.length ? keyWith(names) : null;
};
const open = (key) => (key ? goTo(key) : go("/"));
async function say(key, text, more = {}) {
  if (!key) throw new UsageError(t("cmdNoPlace"));
  await outbox.send(key, text, more);
  open(key);
}

/** The message that is meant: `target`, or the last in the conversation, of one's own or of somebody else. */
function aimed(fields, key, op, own) {
  if (fields.target !== undefined) return fields.target;
  const here = (key && store.conversations.get(key)) || { messages: [], waiting: [], title: "" };
  if (own && here.waiting.length) throw new UsageError(t("cmdNotThereYet"));
  const found = here.messages.findLast((each) => each.own === own && !each.deleted && each.kind !== "change");
  if (!found) throw new UsageError(t(own ? "cmdNoneOwn" : "cmdNoneOther", { op, where: here.title }));
  return found.seq;
}

/** The next conversation that waits: first where one is mentioned, then private ones, then rooms. */
export function nextUnread() {
  const rank = (each) => (each.mentions ? 0 : each.room ? 2 : 1);
  return [...store.conversations.values()].filter((each) => each.unread && each.key !== store.open && each.notify !== "none")
    .sort((one, other) => rank(one) - rank(other))[0]?.key ?? null;
}

const ACTS = {
  talk: async (fields) => open(placeOf(fields)),
  next: async () => (nextUnread() ? open(nextUnread()) : t("nothingUnread")),
  send: async (fields) => say(placeOf(fields), fields.text ?? ""),
  broadcast: async ({ text }) => say("#lobby", text),
  reply: async (fields, key) => {
    const replyTo = aimed(fields, key, "reply", false);
    const where = [...store.conversations.values()].find((each) => each.messages.some((m) => m.seq === replyTo));
    return where ? say(where.key, fields.text, { replyTo }) : describe(await wire.request("reply", { ...fields, key: crypto.randomUUID() }));
  },
  answer: async ({ text }) => {
    const last = [...store.conversations.values()].filter((each) => each.with)
      .map((each) => ({ key: each.key, seq: each.messages.findLast((m) => !m.own)?.seq ?? 0 }))
      .reduce((best, each) => (each.seq > best.seq ? each : best), { key: "", seq: 0 });
    return last.seq ? say(last.key, text) : describe(await wire.request("answer", { text, key: crypto.randomUUID() }));
  },
  edit: async (fields, key) => void await actions.edit(aimed(fields, key, "edit", true), fields.text),
  delete: async (fields, key) => void await actions.remove(aimed(fields, key, "delete", true)),
  react: async (fields, key) => void await actions.react(aimed(fields, key, "react", false), fields.reaction, fields.on ?? true),
  create: async ({ room, ...options }) => open(`#${(await actions.create(room, options)).room.name}`),
  join: async ({ room }) => open(`#${(await actions.join(room)).room.name}`),
  leave: async ({ room }, key) => {
    const reply = await actions.leave(room);
    if (key === placeOf({ room })) go("/");
    return describe(reply);
  },
  invite: async ({ room, name }) => describe(await actions.invite(room, name)),
  remove: async ({ room, name, reason }) => describe(await actions.expel(room, name, reason)),
  role: async ({ room, name, role }) => describe(await actions.role(room, name, role)),
  mute: async ({ room, name, minutes }) => describe(await actions.mute(room, name, minutes)),
  topic: async ({ room, topic }) => describe(await actions.topic(room, topic === "-" ? "" : topic)),
  set: async ({ room, ...options }) => describe(await actions.set(room, options)),
  busy: async ({ reply }) => describe(await actions.busy(reply)),
  idle: async () => describe(await actions.idle()),
  hide: async () => describe(await actions.hide()),
  appear: async () => describe(await actions.appear()),
  rooms: async () => perform("find"),
  members: async ({ room }) => {
    open(placeOf({ room }));
    perform("details");
  },
  history: async (fields, key) => {
    const where = placeOf(fields) ?? key;
    return fields.before && where ? goTo(where, fields.before) : open(where);
  },
  around: async ({ target }) => {
    const { messages } = await wire.request("around", { target, limit: 1 });
    if (messages[0]) goTo(keyOf(messages[0]), target);
  },
  search: async ({ query }) => go(`/s?q=${encodeURIComponent(query)}`),
  read: async (fields) => {
    const key = placeOf(fields);
    await (key ? actions.markRead(key) : Promise.all([...store.conversations.values()].filter((each) => each.unread).map((each) => actions.markRead(each.key))));
    return t("done_read");
  },
  logout: async () => perform("logout"),
  help: async ({ command }) => {
    if (!command) return perform("keys");
    const found = words.get(command.replace(/^\//, "").toLowerCase());
    if (!found) throw new UsageError(unknown(command, ""));
    return [found.summary, ...usageLines(found).map((each) => `/${each}`)].join('\n');
  },
};

// -- Answers in words --

const least = (n, most) => (n >= most ? `${most}+` : String(n));
const noted = (name, ...notes) => {
  const said = notes.filter(Boolean);
  return said.length ? `${name} (${said.join(", ")})` : name;
};
/** `bob`, `bob and carol`, `bob, carol and dave`. */
export const list = (names) => new Intl.ListFormat("en", { type: "conjunction" }).format(names);
const busyLines = (busy = {}) => Object.entries(busy).map(([name, reply]) => t(reply ? "sentBusyReply" : "sentBusy", { name, reply }));
/** How a room is set up, in words. */
export const setup = (room) => Object.entries(SETTINGS).filter(([, [field, value]]) => room[field] === value).map(([word]) => t(`setup_${word}`));

const WORDING = {
  who: ({ users }) => [users.length ? t("whoHere", { names: users.map((each) => noted(each.name, each.busy && t("busy"), each.idle_seconds >= 60 && t("quietFor", { time: ago(each.idle_seconds) }))).join(", ") }) : t("whoNobody")],
  last: ({ users }) => [users.length ? t("whoWas", { names: users.map((each) => noted(each.name, each.online ? t("now") : ago(each.seconds_ago))).join(", ") }) : t("lastNobody")],
  unread: ({ conversations }) => (conversations.length ? conversations.map((each) => t(each.mentions ? "unreadLineYou" : "unreadLine", {
    where: each.room ? `#${each.room}` : each.with.join(", "), n: least(each.unread, MOST_UNREAD), m: least(each.mentions, MOST_UNREAD),
  })) : [t("nothingUnread")]),
  status: ({ name, busy, hidden, reply, held }) => [t("statusLine", {
    name, seen: t(hidden ? "hidden" : "visible"),
    busy: busy ? `${noted(t("busy"), reply)} ${t("held", { n: least(held, MOST_COUNTED) })}` : t("notBusy"),
  })],
  broadcast: ({ busy }) => [t("sentAll"), ...busyLines(busy)],
  reply: (reply) => sent(reply), answer: (reply) => sent(reply),
};

function sent({ delivered = [], stored = [], busy, unknown: nobody = [] }) {
  const lines = [
    delivered.length && t("sentDelivered", { names: list(delivered) }), stored.length && t("sentStored", { names: list(stored) }),
    ...busyLines(busy), nobody.length && t("sentUnknown", { names: nobody.join(", ") }),
  ].filter(Boolean);
  return lines.length ? lines : [t("sent")];
}

/** The answer to a request in words, as the terminal has it; null where there is nothing to say. */
export function describe(reply) {
  const lines = WORDING[reply.op]?.(reply) ?? (DONE.has(reply.op) ? [t(`done_${reply.op}`)] : []);
  return lines.join('\n') || null;
}
const DONE = new Set(["busy", "idle", "hide", "appear", "leave", "invite", "remove", "role", "mute", "topic", "set", "read", "ping"]);
