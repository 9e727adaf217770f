// @ts-check
// Text to DOM nodes, never to HTML. `parse` makes a tree in which every character of the text is kept, either as
// something shown or as a mark around it: `source(parse(text)) === text`. `format` shows the tree.

/** @typedef {{tag: string, open?: string, close?: string, kids: Node_[], href?: string, cls?: string, marks?: string[], value?: number, level?: number}} Branch */
/** @typedef {string | Branch} Node_ */
/** @typedef {{me?: string, mentions?: string[], rooms?: {has(key: string): boolean}}} Options */

const DEPTH = 3; // quotes in quotes
const NODES = 400; // of one message; what comes after is plain text
const WORD = /[A-Za-z0-9]/;
const NAME = /[A-Za-z0-9._-]/;
const BEFORE = /[\s([{"'“‘„«,:;>*_~—–-]|[^\0-\x7f]/;
const AFTER = /[\s)\]}"'”’»“.,:;!?<*_~…—–-]|[^\0-\x7f]/;
const LINK = /(?:https?:\/\/|mailto:)[^\s<>"`\p{Cc}]{1,2000}/iuy;
const ITEM = /^( {0,8})([-*]|\d{1,3}[.)]) (?=\S)/;
const FENCE = /^```([\w+#.-]{0,20})[ \t]*$/;
const EMOJI = /^(?:\p{RGI_Emoji}\s*){1,6}$/v;

/** The stable hue (0 to 359) of a name, whatever its case. @param {string} name */
export function hue(name) {
  let sum = 0x811c9dc5;
  for (const letter of name.toLowerCase()) sum = Math.imul(sum ^ /** @type {number} */ (letter.codePointAt(0)), 0x01000193);
  return ((sum ^ (sum >>> 17)) >>> 0) % 24 * 15;
}

/**
 * A message text as nodes: bold, italic, code, fences, quotes, lists, links, mentions.
 * @param {string} text @param {Options} [options] @returns {DocumentFragment}
 */
export function format(text, options = {}) {
  const out = document.createDocumentFragment();
  show(parse(text, options), out);
  return out;
}

/** Whether a text is nothing but a few emoji. @param {string} text */
export const emojiOnly = (text) => text.length < 80 && EMOJI.test(text.trim());

/** The text on one line without its marks, for quotes and announcements. @param {string} text */
export function plain(text) {
  const words = (/** @type {Node_[]} */ nodes) =>
    nodes.map((node) => typeof node === "string" ? node : words(node.kids) + (BLOCKS.has(node.tag) ? " " : "")).join("");
  return words(parse(text.slice(0, 400))).replace(/\s+/g, " ").trim();
}
const BLOCKS = new Set(["p", "pre", "blockquote", "ul", "ol", "li"]);

/** The text a tree was made from. @param {Node_[]} nodes @returns {string} */
export function source(nodes) {
  return nodes.map((node) => {
    if (typeof node === "string") return node;
    const { marks } = node;
    const inside = source(node.kids);
    const marked = marks ? inside.split("\n").map((line, at) => marks[at] + line).join("\n") : inside;
    return (node.open ?? "") + marked + (node.close ?? "");
  }).join("");
}

/** @param {string} text @param {Options} [options] @returns {Node_[]} */
export function parse(text, options = {}) {
  const names = new Set((options.mentions ?? []).map((name) => name.toLowerCase()));
  const context = { left: NODES, names, me: (options.me ?? "").toLowerCase(), rooms: options.rooms };
  return blocks(text.split("\n"), 0, context);
}

/** @typedef {{left: number, names: Set<string>, me: string, rooms?: {has(key: string): boolean}}} Context */

/** Lines to blocks. Marks hold the line ends between them. @param {string[]} lines @param {number} depth @param {Context} context */
function blocks(lines, depth, context) {
  /** @type {Branch[]} */ const out = [];
  let at = 0;
  const lastFence = lines.findLastIndex((line) => /^```[ \t]*$/.test(line));
  while (at < lines.length) {
    const from = at;
    /** @type {Branch} */ let block;
    if (context.left <= 0) {
      block = { tag: "p", kids: [lines.slice(at).join("\n")] };
      at = lines.length;
    } else if (FENCE.test(lines[at]) && lastFence > at) {
      do at++; while (!/^```[ \t]*$/.test(lines[at]));
      const code = lines.slice(from + 1, at).join("\n");
      block = { tag: "pre", open: lines[from] + "\n", kids: [code], close: (at > from + 1 ? "\n" : "") + lines[at] };
      at++;
    } else if (lines[at].startsWith(">") && depth < DEPTH) {
      while (at < lines.length && lines[at].startsWith(">")) at++;
      block = quote(lines.slice(from, at), depth, context);
    } else if (ITEM.test(lines[at])) {
      while (at < lines.length && at - from < context.left && ITEM.test(lines[at])) at++;
      block = list(lines.slice(from, at), context);
    } else {
      do at++; while (at < lines.length && context.left > 0 && !starts(lines, at, depth, lastFence));
      block = paragraph(lines.slice(from, at), context);
    }
    context.left--;
    if (at < lines.length) block.close = (block.close ?? "") + "\n";
    out.push(block);
  }
  return out;
}

/** @param {string[]} lines @param {number} at @param {number} depth @param {number} lastFence */
const starts = (lines, at, depth, lastFence) =>
  (lastFence > at && FENCE.test(lines[at])) || (depth < DEPTH && lines[at].startsWith(">")) || ITEM.test(lines[at]);

/** @param {string[]} lines @param {number} depth @param {Context} context @returns {Branch} */
function quote(lines, depth, context) {
  const marks = lines.map((line) => line.startsWith("> ") ? "> " : ">");
  return { tag: "blockquote", marks, kids: blocks(lines.map((line, at) => line.slice(marks[at].length)), depth + 1, context) };
}

/** @param {string[]} lines @param {Context} context @returns {Branch} */
function list(lines, context) {
  const ordered = /^ *\d/.test(lines[0]);
  const kids = lines.map((line, at) => {
    const [open, indent, sign] = /** @type {RegExpExecArray} */ (ITEM.exec(line));
    context.left--;
    return {
      tag: "li", open, kids: inline(line.slice(open.length), context), level: Math.min(3, indent.length >> 1),
      close: at < lines.length - 1 ? "\n" : "", value: /\d/.test(sign) ? parseInt(sign) : undefined,
      cls: /\d/.test(sign) ? "number" : "point",
    };
  });
  return { tag: ordered ? "ol" : "ul", kids };
}

/** @param {string[]} lines @param {Context} context @returns {Branch} */
function paragraph(lines, context) {
  /** @type {Node_[]} */ const kids = [];
  lines.forEach((line, at) => {
    if (at) kids.push("\n");
    kids.push(...inline(line, context));
  });
  return { tag: "p", kids };
}

/** One line: a single pass with at most one bold and one italic open. @param {string} line @param {Context} context @returns {Node_[]} */
function inline(line, context) {
  /** @type {Node_[]} */ const out = [];
  /** @type {{sign: string, at: number}[]} */ const open = [];
  const ticks = [0, 0, 0]; // from where on there is no closing run of so many backticks
  let from = 0;
  let at = 0;
  const text = () => { if (at > from) out.push(line.slice(from, at)); };
  /** @param {Branch} node @param {number} end */
  const leaf = (node, end) => { text(); out.push(node); context.left--; at = from = end; };
  while (at < line.length && context.left > 0) {
    const letter = line[at];
    if (letter === "`") {
      const run = line[at + 1] === "`" ? 2 : 1;
      const sign = "`".repeat(run);
      const end = ticks[run] < 0 ? -1 : line.indexOf(sign, at + run);
      ticks[run] = end;
      if (end > at + run) leaf({ tag: "code", open: sign, kids: [line.slice(at + run, end)], close: sign }, end + run);
      else at += run;
    } else if (letter === "*") {
      const sign = line[at + 1] === "*" ? "**" : "*";
      const before = line[at - 1] ?? " ";
      const after = line[at + sign.length] ?? " ";
      const opened = open.findIndex((one) => one.sign === sign);
      if (opened >= 0 && /\S/.test(before) && AFTER.test(after) && out.length + Number(at > from) > open[opened].at + 1) {
        text();
        // The opening mark waited in `out` as text: what is after it goes inside.
        const [{ at: start }] = open.splice(opened);
        const kids = out.splice(start).slice(1);
        out.push({ tag: sign === "*" ? "em" : "strong", open: sign, kids, close: sign });
        context.left--;
        from = at += sign.length;
      } else if (opened < 0 && /\S/.test(after) && after !== "*" && BEFORE.test(before)) {
        text();
        open.push({ sign, at: out.length });
        out.push(sign);
        from = at += sign.length;
      } else at += sign.length;
    } else if ((letter === "h" || letter === "m" || letter === "H" || letter === "M") && !WORD.test(line[at - 1] ?? " ")) {
      const url = link(line, at, context);
      if (url) leaf({ tag: "a", href: url, kids: [url] }, at + url.length);
      else at = word(line, at, context, leaf);
    } else if (letter === "@" || letter === "#" || WORD.test(letter)) at = word(line, at, context, leaf);
    else at++;
  }
  at = line.length;
  text();
  return out;
}

/**
 * A word, with or without @ or #: a leaf when it names somebody or a room, otherwise walked over.
 * @param {string} line @param {number} at @param {Context} context @param {(node: Branch, end: number) => void} leaf
 */
function word(line, at, context, leaf) {
  const sign = line[at] === "@" || line[at] === "#" ? line[at] : "";
  let end = at + sign.length;
  while (end < line.length && NAME.test(line[end])) end++;
  while (end > at + 1 && !WORD.test(line[end - 1])) end--;
  const shown = line.slice(at, end);
  const name = shown.slice(sign.length).toLowerCase();
  const fresh = at === 0 || !NAME.test(line[at - 1]);
  if (name && fresh && sign === "#" && context.rooms?.has("#" + name)) {
    leaf({ tag: "a", cls: "room", href: "#" + name, kids: [shown] }, end);
  } else if (name && fresh && sign !== "#" && context.names.has(name)) {
    leaf({ tag: "span", cls: name === context.me ? "mention mine" : "mention", kids: [shown] }, end);
  } else return Math.max(end, at + 1);
  return end;
}

/** The address that begins here, without what ends a sentence, or "". @param {string} line @param {number} at @param {Context} context */
function link(line, at, context) {
  LINK.lastIndex = at;
  let url = LINK.exec(line)?.[0] ?? "";
  if (!url) return "";
  let open = 0;
  for (const letter of url) open += letter === "(" ? 1 : letter === ")" ? -1 : 0;
  let end = url.length;
  for (; end; end--) {
    const last = url[end - 1];
    if (last === ")" && open < 0) open++;
    else if (!/[.,:;!?'*_~…\]}]/.test(last)) break;
  }
  url = url.slice(0, end);
  try {
    return /^(?:https?|mailto):$/.test(new URL(url).protocol) ? url : "";
  } catch {
    context.left -= 4; // so that trying has an end
    return "";
  }
}

/** @param {Node_[]} nodes @param {ParentNode} into */
function show(nodes, into) {
  for (const node of nodes) {
    if (typeof node === "string") into.append(node);
    else if (node.tag) into.append(element(node));
  }
}

/** @param {Branch} node */
function element(node) {
  const made = document.createElement(node.tag);
  if (node.cls) made.className = node.cls;
  if (node.tag === "a" && node.cls === "room") {
    made.setAttribute("href", "/r/" + encodeURIComponent(/** @type {string} */ (node.href).slice(1)));
  } else if (node.tag === "a") {
    made.setAttribute("href", /** @type {string} */ (node.href));
    made.setAttribute("target", "_blank");
    made.setAttribute("rel", "noopener noreferrer");
  } else if (node.tag === "li") {
    if (node.value !== undefined) made.setAttribute("value", String(node.value));
    if (node.level) made.classList.add("level" + node.level);
    made.dir = "auto";
  } else if (node.tag === "p" || node.tag === "blockquote") made.dir = "auto";
  else if (node.tag === "pre") {
    made.dir = "ltr";
    made.tabIndex = 0; // it may scroll sideways
  }
  show(node.kids, made);
  return made;
}
