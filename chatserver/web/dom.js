// @ts-check
const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16 16l5 5",
  send: "M4 12l16-8-6 17-3-7z",
  reply: "M10 6l-6 5 6 5M4 11h9c4 0 7 2 7 7",
  edit: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  smile: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM8 14c2 3 6 3 8 0M9 9v.5M15 9v.5",
  more: "M5 12h.5M12 12h.5M19 12h.5",
  people: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-9 14-9 14 0M16 4c4 0 4 7 0 7M18 14c3 1 4 4 4 7",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-9 16-9 16 0",
  mute: "M6 17V11a6 6 0 0 1 9-5M18 11v6l2 2H8M10 21h4M4 4l17 17",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  hash: "M9 4L7 20M17 4l-2 16M4 9h16M4 15h16",
  at: "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0zm0 0c0 4 5 3 5-1a9 9 0 1 0-4 8",
  down: "M12 5v14M6 13l6 6 6-6",
  check: "M5 13l4 4L19 7",
  clock: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 7v5l3 3",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.5",
  hidden: "M3 12s3-6 9-6 9 6 9 6-3 6-9 6-9-6-9-6zM4 4l16 16",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  out: "M14 4h6v16h-6M4 12h11M11 8l4 4-4 4",
};

/**
 * Make an element. `class`, `dataset`, `on…` (a listener) and attributes; `true` is an empty
 * attribute, `false` and `null` are none. Strings become text, `null` and `false` nothing.
 * @param {string} tag @param {Record<string, any> | null} [props] @param {...any} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value") /** @type {any} */ (element).value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Listen, and return how to stop. @returns {() => void} */
export function on(target, event, listener, options) {
  target.addEventListener(event, listener, options);
  return () => target.removeEventListener(event, listener, options);
}

/** Empty an element, and put `children` into it. @returns the element */
export function clear(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** A line icon; it says nothing to a screen reader. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", fill: "none", stroke: "currentColor",
    "stroke-width": "1.75", "stroke-linecap": "round", "stroke-linejoin": "round",
  })) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/** Say something for a while: a sentence, or an error as requests have it. */
export function toast(what) {
  const text = typeof what === "string" ? what : what?.text ?? String(what?.message ?? what);
  const toasts = /** @type {HTMLElement} */ (document.getElementById("toasts"));
  for (const each of [...toasts.children]) if (each.textContent === text) each.remove();
  const line = h("div", { class: "toast", dataset: { code: what?.code ?? "" } }, text);
  toasts.append(line);
  if (toasts.children.length > 3) toasts.firstElementChild?.remove();
  setTimeout(() => line.remove(), Math.max(4000, text.length * 80));
}

/**
 * Ask yes or no in a dialog; Escape is no. Focus goes back to where it was.
 * @param {string} text @param {string} yes @param {string} no @returns {Promise<boolean>}
 */
export function ask(text, yes, no) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-label": text },
      h("form", { method: "dialog" }, h("p", null, text),
        h("div", { class: "buttons" },
          h("button", { value: "", autofocus: true }, no),
          h("button", { value: "yes", class: "primary" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Have a list show `items`, `{key, sign, make}`: an element stays while its `sign` does, so that a click
 * or the focus on it is not lost when another one changes. */
export function keyed(list, items) {
  const before = new Map([...list.children].map((each) => [each.dataset.key, each]));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const focusedKey = focused?.closest("[data-key]")?.dataset.key;
  let next = list.firstElementChild;
  for (const { key, sign, make } of items) {
    let element = before.get(key);
    before.delete(key);
    if (element?.dataset.sign !== sign) {
      const made = make();
      Object.assign(made.dataset, { key, sign });
      if (element) {
        if (element === next) next = made;
        element.replaceWith(made);
      }
      element = made;
    }
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const each of before.values()) each.remove();
  if (focused && document.activeElement !== focused && focusedKey !== undefined) {
    list.querySelector(`[data-key="${CSS.escape(focusedKey)}"] :is(a, button)`)?.focus({ preventScroll: true });
  }
}

/** A setting of this browser. @param {string} name @param {string} [value] what it becomes */
export const setting = (name, value) => (value === undefined ? localStorage.getItem(`chat.${name}`) : localStorage.setItem(`chat.${name}`, value));
