// @ts-check
import * as db from "./db.js";
import { at, conversation, keyOf, merge, messageOf, store, touch } from "./store.js";
import { request } from "./wire.js";

const PAGE = 50;
const TRIES = 20;
/** One request at a time for each conversation. @type {Map<string, Promise<any>>} */
const asking = new Map();

function once(key, work) {
  const before = asking.get(key);
  if (before) return before;
  const now = work(conversation(key)).finally(() => asking.delete(key));
  asking.set(key, now);
  return now;
}

/** Ask for a page. What one said to one of several is not of the conversation with that one. */
async function page(c, fields, limit = PAGE) {
  const kept = [];
  const from = { ...fields };
  for (let tries = 0; tries < TRIES; tries++) {
    const reply = await request("history", { ...c.place, ...from, limit });
    const rows = reply.messages;
    kept[from.after === undefined ? "unshift" : "push"](...rows.filter((each) => keyOf(each) === c.key).map(messageOf));
    if (kept.length || !reply.more || !rows.length || from.around) return { rows: kept, more: reply.more };
    if (from.after === undefined) from.before = rows[0].seq;
    else from.after = rows[rows.length - 1].seq;
  }
  return { rows: kept, more: true };
}

const said = (list) => list.filter((each) => each.kind !== "change");

function put(c, stretch, rows) {
  merge(stretch.list, rows);
  if (stretch === c.tail) for (const row of rows.slice(-PAGE)) db.keep(c.key, row);
  touch(`messages:${c.key}`);
}

/** Join what is looked at with what reaches the newest, where they meet. */
function join(c, reached) {
  const first = c.tail.list[0]?.seq ?? 0;
  const last = c.view.list[c.view.list.length - 1]?.seq ?? 0;
  if (c.view === c.tail || !(reached || (first && last >= first))) return;
  merge(c.tail.list, c.view.list.filter((each) => !at(c.tail.list, each.seq)));
  c.tail.start = c.view.start;
  c.view = c.tail;
  c.gap = 0;
  touch(`messages:${c.key}`);
}

/** Load what was said before a stretch, or its newest where it is empty. @returns whether there is more */
async function before(c, stretch) {
  if (stretch.start) return false;
  const [first] = said(stretch.list);
  const { rows, more } = await page(c, first ? { before: first.seq } : {});
  if (stretch !== c.view && stretch !== c.tail) return true;
  stretch.start = !more;
  if (stretch === c.tail) c.gap = more ? Math.max(0, c.gap - rows.length) : 0;
  put(c, stretch, rows);
  if (!first && rows.length) c.last = Math.max(c.last, rows[rows.length - 1].at);
  return more;
}

/** Load what was said before. @param {string} key @returns {Promise<boolean>} whether there is more */
export const older = (key) => once(key, (c) => before(c, c.view));

/** Load what was said after what is looked at. @param {string} key @returns {Promise<boolean>} whether there is more */
export function newer(key) {
  return once(key, async (c) => {
    if (c.atEnd) return false;
    const stretch = c.view;
    const last = stretch.list[stretch.list.length - 1]?.seq ?? 0;
    const { rows, more } = await page(c, { after: last });
    if (stretch !== c.view) return true;
    put(c, stretch, rows);
    join(c, !more);
    return !c.atEnd;
  });
}

/** Look at what was said around `seq`. @param {string} key @param {number} seq @returns {Promise<boolean>} whether it is there */
export async function around(key, seq) {
  const c = conversation(key);
  const there = () => Boolean(at(c.view.list, seq));
  if (there()) return true;
  if (at(c.tail.list, seq)) {
    c.view = c.tail;
    touch(`messages:${key}`);
    return true;
  }
  await asking.get(key)?.catch(() => {});
  if (there()) return true; // two asked at the same time
  await once(key, async () => {
    const { rows } = await page(c, { around: seq }, 2 * PAGE);
    c.view = { list: rows, start: false, end: false };
    join(c, false);
    touch(`messages:${key}`);
  });
  return there();
}

/** Look at the newest again, a page of it at least. @param {string} key @returns {Promise<boolean>} whether there is more */
export function tail(key) {
  const c = conversation(key);
  c.view = c.tail;
  touch(`messages:${key}`);
  if (c.tail.start || said(c.tail.list).length >= PAGE) return Promise.resolve(!c.tail.start);
  return once(key, () => before(c, c.tail));
}

/** Find the first message of that day or after, and look at it. @returns {Promise<number>} its seq, or 0 */
export async function toDate(key, date) {
  const c = conversation(key);
  const wanted = new Date(date).setHours(0, 0, 0, 0);
  let low = 0;
  let high = Math.max(c.newest, c.tail.list[c.tail.list.length - 1]?.seq ?? 0);
  let found = 0;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = (await page(c, { after: middle }, 1)).rows;
    if (!row || row.at >= wanted) {
      high = middle;
      if (row) found = row.seq;
    } else low = row.seq;
  }
  if (!found) {
    const [row] = (await page(c, { after: low }, 1)).rows;
    if (row && row.at >= wanted) found = row.seq;
  }
  if (found) await around(key, found);
  return found;
}

/** Forget what is looked at in the past: nothing of it is kept. */
export function leavePast(key) {
  const c = store.conversations.get(key);
  if (c && c.view !== c.tail) c.view = c.tail;
}
