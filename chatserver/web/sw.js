// What is there without a server or an open page: the shell, and what a push tells. No module, for
// Firefox knows none here; so the few words stand here, and not in words.js.
const base = "{{base}}";
const files = "{{files}}".split(" ");
const kept = `chat${base}`;
const beside = ["/app.webmanifest", "/favicon.ico"];
const views = /^\/(?:[rus](?:\/[^/]*)?)?$/;
const PATIENCE = 4000;

addEventListener("install", (event) => event.waitUntil(keep()));
addEventListener("activate", (event) => event.waitUntil(take()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (pathname.startsWith("/a/")) event.respondWith(never(request));
  else if (request.mode === "navigate" && views.test(pathname)) event.respondWith(newest(request, "/"));
  else if (beside.includes(pathname)) event.respondWith(newest(request, pathname));
});

async function keep() {
  const cache = await caches.open(kept);
  await cache.addAll(["/", ...beside, ...files.map((each) => `${base}/${each}`)]);
  await skipWaiting();
}

async function take() {
  for (const each of await caches.keys()) if (each !== kept) await caches.delete(each);
  await clients.claim();
}

/** What never changes. */
const never = async (request) => (await caches.match(request)) ?? fetch(request);

/** What the server has now, or else what it had. */
async function newest(request, path) {
  const had = await caches.match(path);
  const late = new Promise((resolve) => had && setTimeout(resolve, PATIENCE));
  try {
    const now = await Promise.race([fetch(request), late]);
    if (now && (now.status < 500 || !had)) return now;
  } catch (error) {
    if (!had) throw error;
  }
  return had;
}

const pathOf = (place) => (place.startsWith("#") ? `/r/${encodeURIComponent(place.slice(1))}` : place ? `/u/${place.split(",").map(encodeURIComponent).join(",")}` : "/");

addEventListener("push", (event) => event.waitUntil(told(event.data?.json() ?? {})));

async function told({ from = "chat", place = "", text = "" }) {
  const windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  if (windows.some((each) => each.focused)) return;
  await registration.showNotification(place && place !== from ? `${from} · ${place.replaceAll(",", ", ")}` : from, {
    body: text || "A new message", tag: place || "chat", renotify: true, icon: "/favicon.ico", data: { path: pathOf(place) },
  });
}

addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.path));
});

async function open(path) {
  const [there] = await clients.matchAll({ type: "window" });
  if (!there) return clients.openWindow(path);
  await there.focus().catch(() => {});
  there.postMessage({ go: path });
}
