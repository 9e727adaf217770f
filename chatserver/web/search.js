// Finding what was said: words, `in:` and `from:`, and the day. It stands beside the talk, so that a hit is
// looked at in its place while the others stay in view.
import { clear, h, icon, toast } from "./dom.js";
import { day, t, time } from "./words.js";
import { wire } from "./wire.js";
import { keyOf, keyWith, messageOf, store } from "./store.js";
import * as past from "./past.js";
import { closers } from "./palette.js";
import * as main from "./main.js";

const FIRST = 30;
const MOST = 200;
const BEFORE = 60;
const CUT = 280;
const narrow = matchMedia("(max-width: 899px)");

/** Put the search into the panel. */
export function mountSearch(panel) {
  const id = "search-words";
  const input = h("input", { type: "search", id, "aria-label": t("search"), placeholder: t("searchHint"), autocomplete: "off", spellcheck: "false", list: "search-offers", enterkeyhint: "search" });
  const offers = h("datalist", { id: "search-offers" });
  const date = h("input", { type: "date", id: "search-day" });
  const label = h("label", { for: "search-day", class: "small quiet" });
  const dateRow = h("div", { class: "field" }, label, date);
  const said = h("p", { class: "quiet small", role: "status" });
  const results = h("div", { class: "results" });
  const help = h("p", { class: "quiet small" }, t("searchHelp"));
  const form = h("form", { role: "search", onSubmit: (event) => {
    event.preventDefault();
    main.go(`/s?q=${encodeURIComponent(input.value.trim())}`, { replace: main.current().view === "search" });
  } }, h("label", { for: id, class: "hide-visually" }, t("search")), input, offers);
  const view = h("div", { class: "view", hidden: true },
    h("header", null, h("button", { type: "button", class: "icon", "aria-label": t(narrow.matches ? "back" : "close"), onClick: () => close() }, icon(narrow.matches ? "back" : "close")), h("h1", null, t("search"))),
    h("div", { class: "panel-in" }, form, help, dateRow, said, results));
  panel.append(view);

  let asked = null;
  let limit = FIRST;
  const run = async (query) => {
    asked = query;
    clear(results);
    said.textContent = query ? t("searching") : "";
    help.hidden = Boolean(query);
    if (!query) return;
    if (store.link !== "online") {
      asked = null;
      return;
    }
    try {
      const { messages, more } = await wire.request("search", { query, limit });
      if (asked !== query) return;
      said.textContent = messages.length ? t(more ? "nHitsMore" : "nHits", { n: messages.length }) : t("noHits");
      clear(results, groups(messages, query), more && limit < MOST && h("button", { type: "button", onClick: () => {
        limit = MOST;
        run(query);
      } }, t("moreHits")));
    } catch (error) {
      said.textContent = "";
      clear(results, h("p", { class: "bad", role: "alert" }, error.text));
      if (error.code === "offline") asked = null;
    }
  };
  const place = () => placeIn(input.value) ?? store.open;
  const dated = () => {
    const c = place();
    dateRow.hidden = !c;
    label.textContent = t("goToDay", { where: store.conversations.get(c)?.title ?? "" });
  };
  const shown = () => {
    const now = main.current();
    const on = store.me && (now.view === "search" || store.panel?.what === "search");
    const query = now.view === "search" ? now.query : store.panel?.about ?? "";
    const opened = on && view.hidden;
    view.hidden = !on;
    if (!on) {
      asked = null;
      return;
    }
    panel.setAttribute("aria-label", t("search"));
    if (opened || (query !== asked && document.activeElement !== input)) input.value = query;
    dated();
    if (query.trim() !== asked) {
      limit = FIRST;
      run(query.trim());
    }
    if (opened && now.view === "search") input.focus();
  };
  const close = () => {
    if (view.hidden) return false;
    if (store.panel?.what === "search") main.panel(null);
    else if (store.open) main.go(main.pathOf(store.open), { replace: true, keep: false });
    else main.go("/", { replace: true, keep: false });
    return true;
  };
  input.addEventListener("input", () => {
    clear(offers, suggestions(input.value).map((value) => h("option", { value })));
    dated();
  });
  date.addEventListener("change", () => {
    const key = place();
    if (!key || !date.value) return;
    const [year, month, date_] = date.value.split("-").map(Number);
    past.toDate(key, new Date(year, month - 1, date_)).then((seq) => (seq ? main.goTo(key, seq) : toast(t("noSuchDate"))), toast);
  });
  store.subscribe("open", shown);
  store.subscribe("link", () => asked === null && store.link === "online" && shown());
  closers.push(close);
  shown();
}

/** The conversation that `in:` names in a query, as the store has it. */
function placeIn(query) {
  const word = /(?:^|\s)in:(\S+)/.exec(query)?.[1];
  if (!word) return null;
  const key = word[0] === "#" ? word : keyWith([word]);
  return [...store.conversations.keys()].find((each) => each.toLowerCase() === key.toLowerCase()) ?? null;
}

/** What may stand at the end of a query that goes on with `in:` or `from:`. */
function suggestions(query) {
  const [, before, word, begun] = /^(.*?)(in:|from:)(\S*)$/i.exec(query) ?? [];
  if (word === undefined) return [];
  const rooms = [...store.conversations.values()].filter((each) => each.room).map((each) => each.key);
  const names = [...store.people.keys()];
  return (word.toLowerCase() === "in:" ? [...rooms, ...names] : names)
    .filter((each) => each.toLowerCase().startsWith(begun.toLowerCase())).slice(0, 12).map((each) => `${before}${word}${each} `);
}

function groups(messages, query) {
  const wanted = highlighter(query);
  const byKey = new Map();
  for (const event of messages) {
    const key = keyOf(event);
    if (!byKey.has(key)) byKey.set(key, []);
    byKey.get(key).push(messageOf(event));
  }
  return [...byKey].map(([key, list]) => h("section", null, h("h2", null, store.conversations.get(key)?.title ?? key.replaceAll(",", ", ")),
    h("ul", null, list.map((message) => h("li", null, h("button", { type: "button", onClick: () => main.goTo(key, message.seq) },
      h("span", { class: "split" }, h("strong", { class: "one-line" }, message.from), h("small", { class: "quiet" }, `${day(message.at)}, ${time(message.at)}`)),
      h("span", { class: "hit" }, marked(message.text, wanted))))))));
}

function highlighter(query) {
  const words = query.replace(/(^|\s)(in|from):\S*/gi, " ").match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.length ? new RegExp(`(${words.sort((one, other) => other.length - one.length).join("|")})`, "giu") : null;
}

/** A text, cut to where the first hit is, with the hits marked. */
function marked(text, wanted) {
  const at = wanted ? Math.max(text.search(wanted), 0) : 0;
  const from = at > CUT - BEFORE ? at - BEFORE : 0;
  const part = `${from ? "…" : ""}${text.slice(from, from + CUT)}${text.length > from + CUT ? "…" : ""}`;
  return wanted ? part.split(wanted).map((piece, n) => (n % 2 ? h("mark", null, piece) : piece)) : part;
}
