// @ts-check
import { t } from "./words.js";

/** How long the server may say nothing before it is asked, and then before the link is given up. */
const QUIET = 45_000;
const ANSWER = 15_000;
const LEAST = 500;
const MOST = 30_000;
const ACTIVE = 60_000;
/** With these a link ends for good: the person has to log in again. */
const FINAL = new Set(["logged_out", "kicked", "disabled", "password_changed", "locked_out", "revoked", "not_logged_in"]);

/** @typedef {{code: string, text: string, retry_after?: number, attempts_left?: number}} WireError */

/** 'offline', 'connecting', 'online' or 'logged_out'. */
export let state = "offline";

const listeners = new Set();
/** @type {Map<number, {resolve: Function, reject: Function}>} */
const asked = new Map();
/** @type {WebSocket | null} */
let socket = null;
let wanted = false;
let number = 0;
let failures = 0;
let heard = 0;
let active = 0;
let waiting = 0;
let watch = 0;
/** What is asked for at `resume`, set by who knows. @type {() => object} */
let resume = () => ({});

const offline = () => ({ code: "offline", text: t("offlineAction") });

function say(event) {
  for (const each of listeners) each(event);
}

function become(next) {
  if (next === state) return;
  state = next;
  say({ event: "link", state });
}

/** Hear every event of the server, and `link` and `resumed`. @returns {() => void} stops it */
export function on(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Say something that has no answer. @returns whether there was a link */
export function tell(op, fields = {}) {
  if (state !== "online" || !socket) return false;
  socket.send(JSON.stringify({ op, ...fields }));
  return true;
}

/** Ask the server. Rejects with a WireError; its code is "offline" where there is no link. */
export function request(op, fields = {}) {
  return state === "online" ? put(op, fields) : Promise.reject(offline());
}

function put(op, fields) {
  return new Promise((resolve, reject) => {
    const id = ++number;
    asked.set(id, { resolve, reject });
    socket?.send(JSON.stringify({ ...fields, op, id }));
  });
}

/** Make a link and keep it. `fields` returns what to say with `resume`. */
export function start(fields) {
  resume = fields;
  wanted = true;
  connect();
}

/** End the link, and make no other. */
export function stop() {
  wanted = false;
  clearTimeout(waiting);
  leave();
  drop();
  become("offline");
}

function connect() {
  clearTimeout(waiting);
  waiting = 0;
  if (socket || !wanted) return;
  become("connecting");
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket = mine;
  let greeted = false;
  heard = Date.now();
  mine.onmessage = ({ data }) => {
    if (mine !== socket) return;
    heard = Date.now();
    const event = JSON.parse(data);
    greeted ||= event.event === "hello";
    receive(event);
  };
  mine.onclose = () => {
    if (mine === socket) lost(greeted);
  };
  clearInterval(watch);
  watch = setInterval(() => look(QUIET, ANSWER), 5000);
}

function receive(event) {
  if (event.event === "reply" || event.event === "error") return answered(event);
  if (event.event === "ping") return void socket?.send('{"op":"pong"}');
  if (event.event === "bye") {
    say(event);
    if (FINAL.has(event.code)) end(event);
    return;
  }
  say(event);
  if (event.event === "hello")
    put("resume", resume()).catch(refused);
}

/** No session on this link, for now or for good. */
function refused(error) {
  if (FINAL.has(error.code)) end(error);
  else if (error.code !== "offline") {
    leave();
    lost(true, (error.retry_after ?? 0) * 1000);
  }
}

function leave() {
  const last = socket;
  socket = null;
  if (!last) return;
  last.onclose = last.onmessage = null;
  last.close();
}

function answered(event) {
  const request = asked.get(event.re);
  asked.delete(event.re);
  if (event.event === "error") return request?.reject(event);
  if (event.op === "resume" || event.op === "login") {
    failures = 0;
    say({ ...event, event: "resumed" });
    if (wanted) become("online");
  }
  request?.resolve(event);
}

function drop() {
  clearInterval(watch);
  const open = [...asked.values()];
  asked.clear();
  for (const each of open) each.reject(offline());
}

/** The link is gone: find out whether it is worth trying again, and when. */
async function lost(greeted, least = 0) {
  socket = null;
  drop();
  if (!wanted) return;
  become("offline");
  waiting = setTimeout(connect, Math.max(least, Math.min(MOST, LEAST * 2 ** failures++) * (0.5 + Math.random() / 2)));
  // A browser does not say why a socket was refused; a plain request does.
  if (!greeted && (await session()) === null && wanted && !socket) end({ code: "not_logged_in", text: t("sessionEnded") });
}

/** Who this browser is logged in as; null is nobody, undefined that the server does not say. */
export async function session() {
  try {
    const answer = await fetch("/api/session", { cache: "no-store" });
    return answer.ok ? (await answer.json()).name : undefined;
  } catch {
    return undefined;
  }
}

function end(why) {
  wanted = false;
  clearTimeout(waiting);
  leave();
  drop();
  become("logged_out");
  say({ event: "ended", code: why.code, text: why.text });
}

/** Ask for a sign of life after `quiet` ms of silence; give the link up when none comes. */
function look(quiet, answer) {
  const mine = socket;
  if (!mine || mine.readyState !== WebSocket.OPEN || Date.now() - heard < quiet) return;
  const asking = Date.now();
  mine.send('{"op":"ping"}');
  setTimeout(() => {
    if (mine !== socket || heard >= asking) return;
    leave();
    lost(true);
  }, answer);
}

/** Try now instead of later. */
export function hurry() {
  if (waiting) {
    failures = 0;
    connect();
  } else look(2000, 4000);
}

addEventListener("online", hurry);
addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
for (const each of ["keydown", "pointerdown"])
  addEventListener(each, () => {
    if (Date.now() - active < ACTIVE) return;
    if (tell("ping", { active: true })) active = Date.now();
  }, { capture: true, passive: true });

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw { code: "offline", text: t("offline") };
  }
  if (answer.ok) return;
  throw await answer.json().catch(() => ({ code: "internal", text: t("badAnswer", { status: String(answer.status) }) }));
}

/** Begin a session of this browser. Rejects with a WireError. */
export async function login(name, password) {
  await post("/api/login", { name, password });
  say({ event: "login", name });
}

/** End the session of this browser. What is unsent stays in it. */
export async function logout() {
  await post("/api/logout", {});
  stop();
  say({ event: "ended", code: "logged_out", text: "" });
}

export const wire = {
  request, tell, on, start, stop, hurry, login, logout,
  get state() {
    return state;
  },
};
