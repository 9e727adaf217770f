// @ts-check
import { setting, toast } from "./dom.js";
import { t } from "./words.js";
import { wire } from "./wire.js";
import { isMe, store } from "./store.js";
import { notifier } from "./panel.js";
import * as main from "./main.js";

const SCRIPT = "/sw.js";
const FOCUS = "chat:focus";
/** How long the tab that tells of a message keeps the others from it. */
const ONCE = 3000;
/** How long a browser may take to note how a file came. */
const NOTED = 200;
const MOST = 99;
const BODY = 200;
const CALLED = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="15" fill="#2f6f5e"/><path d="M17 20h30a4 4 0 0 1 4 4v16a4 4 0 0 1-4 4H31l-9 8v-8h-5a4 4 0 0 1-4-4V24a4 4 0 0 1 4-4z" fill="#fff"/><circle cx="48" cy="16" r="16" fill="#d33"/></svg>')}`;

/** @type {ServiceWorkerRegistration | null} */
let registration = null;
/** What makes this tab one that is looked at no longer. @type {Function | null} */
let release = null;
/** @type {AudioContext | null} */
let audio = null;
/** A browser without a push service is asked once: it may complain in the console. */
let refused = false;
let shown = -1;
let quiet = "";

/** How many messages of a conversation one is called by. */
const calls = (c) => (c.notify === "all" ? c.unread : c.notify === "mentions" ? c.mentions : 0);

// -- Title and badge --

function draw() {
  const all = store.me ? [...store.conversations.values()] : [];
  const n = all.reduce((sum, each) => sum + calls(each), 0);
  const open = store.me && store.conversations.get(store.open ?? "");
  document.title = (n > MOST ? `(${MOST}+) ` : n ? `(${n}) ` : "") + (open ? `${open.title} · ` : "") + t("app");
  if (n !== shown) badge(n);
  shown = n;
  for (const each of all) if (!each.unread) withdraw(each.key);
  const now = JSON.stringify(silent());
  if (quiet && now !== quiet) reach();
  quiet = now;
}

function badge(n) {
  const link = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"));
  if (link) {
    link.dataset.plain ??= link.href;
    link.href = n ? CALLED : link.dataset.plain;
  }
  const app = /** @type {any} */ (navigator);
  (n ? app.setAppBadge?.(n) : app.clearAppBadge?.())?.catch?.(() => {});
}

// -- Telling --

/** Conversations of which a notification may be there. */
const told = new Map();

function withdraw(key) {
  if (!told.has(key)) return;
  told.get(key)?.close();
  told.delete(key);
  registration?.getNotifications({ tag: key }).then((found) => found.forEach((each) => each.close()), () => {});
}

/** Note that this tab is looked at, so that every tab knows it. */
function look() {
  if (document.hasFocus() && !release) {
    const held = new Promise((resolve) => (release = resolve));
    navigator.locks?.request(FOCUS, { mode: "shared" }, () => held).catch(() => {});
  } else if (!document.hasFocus()) {
    release?.();
    release = null;
  }
}

async function looked() {
  if (document.hasFocus()) return true;
  const { held } = (await navigator.locks?.query()) ?? {};
  return Boolean(held?.some((each) => each.name === FOCUS));
}

async function arrived(message, key, replayed) {
  const c = store.conversations.get(key);
  if (replayed || message.own || !c || store.me?.busy) return;
  if (c.notify !== "all" && !(c.notify === "mentions" && message.mentions.some(isMe))) return;
  if (await looked()) return;
  const tell = () => {
    sound();
    show(c, message);
  };
  if (!navigator.locks) return tell();
  await navigator.locks.request(`chat:told:${message.seq}`, { ifAvailable: true }, (mine) => {
    if (!mine) return;
    tell();
    return new Promise((resolve) => setTimeout(resolve, ONCE));
  });
}

function show(c, message) {
  if (notifier.state?.() !== "on") return;
  const title = c.key === message.from ? message.from : `${message.from} · ${c.title}`;
  const options = { body: message.text.slice(0, BODY), tag: c.key, renotify: true, icon: "/favicon.ico", data: { path: main.pathOf(c.key) } };
  told.set(c.key, null);
  if (registration?.active) return registration.showNotification(title, options).catch(() => {});
  try {
    const note = new Notification(title, options);
    told.set(c.key, note);
    note.onclick = () => {
      focus();
      note.close();
      main.goTo(c.key);
    };
  } catch {
    // A phone lets none but a service worker do this.
  }
}

/** Two short tones; none before there was a click, for a browser would not play them. */
function sound() {
  if (setting("sound") === "off" || !navigator.userActivation?.hasBeenActive) return;
  audio ??= new AudioContext();
  const gain = audio.createGain();
  gain.connect(audio.destination);
  const at = audio.currentTime;
  gain.gain.setValueAtTime(0.08, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + 0.3);
  for (const [n, frequency] of [660, 880].entries()) {
    const tone = audio.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(at + n * 0.12);
    tone.stop(at + n * 0.12 + 0.16);
  }
}

// -- Being allowed to, and being reached while no page is open --

const state = () => (Notification.permission === "denied" ? "denied" : Notification.permission === "granted" && setting("notify") === "on" ? "on" : "off");

async function set(on) {
  if (on && Notification.permission === "default") await Notification.requestPermission();
  setting("notify", on ? "on" : "off");
  if (on && state() === "denied") throw { code: "denied", text: t("notificationsDenied") };
  await (on ? reach() : unreach());
}

const silent = () => [...store.notices].filter(([, what]) => what === "none").map(([key]) => key);
const put = (method, body) => fetch("/api/push", { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
const spelled = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** Have the server reach this browser by its push service, where there is one and it may. */
async function reach() {
  if (refused || !registration?.pushManager || store.link !== "online" || notifier.state?.() !== "on") return;
  try {
    const { key } = await (await fetch("/api/push")).json();
    if (!key) return;
    const { pushManager } = await navigator.serviceWorker.ready;
    let found = await pushManager.getSubscription();
    const known = found?.options.applicationServerKey;
    if (found && known && spelled(known) !== key) {
      await found.unsubscribe();
      found = null;
    }
    refused = !found;
    found ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    refused = false;
    await put("PUT", { ...found.toJSON(), quiet: silent() });
  } catch {
    // No push service, or none that can be reached: the page tells while it is open.
  }
}

async function unreach(known = true) {
  try {
    if (known) await put("DELETE");
    await (await registration?.pushManager?.getSubscription())?.unsubscribe();
  } catch {
    // There is nothing left to be reached by, or no link to say so by; the server finds out.
  }
}

/**
 * Whether a service worker is allowed: not under a certificate that was only accepted, and to ask for one
 * there is an error in the console. What came under such a certificate a browser does not keep, either.
 */
async function trusted() {
  if (location.protocol !== "https:") return true;
  await (await fetch(import.meta.url)).arrayBuffer();
  await new Promise((resolve) => setTimeout(resolve, NOTED));
  const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(import.meta.url));
  return entries.some((each) => each.initiatorType === "fetch" && each.transferSize === 0);
}

async function register() {
  if (!isSecureContext || !navigator.serviceWorker || !(await trusted().catch(() => false))) return;
  const types = /** @type {any} */ (window).trustedTypes;
  const policy = types?.createPolicy("chat", {
    createScriptURL(url) {
      if (url !== SCRIPT) throw new TypeError(url);
      return url;
    },
  });
  try {
    registration = await navigator.serviceWorker.register(policy ? policy.createScriptURL(SCRIPT) : SCRIPT);
  } catch {
    // The page does without.
  }
}

let begun = false;

async function begin() {
  if (!begun) {
    begun = true;
    await register();
  }
  await reach();
}

/** Begin to tell of messages: in the title, by a badge, a sound and notifications. */
export function mountNotify() {
  if (isSecureContext && "Notification" in window) Object.assign(notifier, { state, set });
  for (const part of ["conversations", "open", "me"]) store.subscribe(part, draw);
  for (const each of ["focus", "blur"]) addEventListener(each, look);
  addEventListener("pagehide", () => release?.());
  look();
  main.onMessage((message, key, replayed) => arrived(message, key, replayed).catch(toast));
  wire.on((event) => {
    if (event.event === "link" && event.state === "online") setTimeout(begin);
    if (event.event === "ended") unreach(false);
  });
  if (wire.state === "online") setTimeout(begin);
  draw();
  navigator.serviceWorker?.addEventListener("message", ({ data }) => data?.go && main.go(data.go));
}
