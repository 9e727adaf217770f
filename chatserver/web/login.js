// Name, password, one button.
import { clear, h } from "./dom.js";
import { t } from "./words.js";
import { wire } from "./wire.js";
import { store } from "./store.js";

/** The form by which one logs in. What the server refuses stands below the fields, in its own words. */
export function mountLogin(element) {
  const name = h("input", { type: "text", name: "username", id: "login-name", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, maxlength: "64" });
  const password = h("input", { type: "password", name: "password", id: "login-password", autocomplete: "current-password", required: true });
  const error = h("p", { class: "bad", role: "alert" });
  const wait = h("p", { class: "quiet small", "aria-live": "off" });
  const submit = h("button", { class: "primary" }, t("loginButton"));
  const locked = new Map(); // name -> when it may be tried again (ms)
  let ticking = 0;
  let busy = false;

  const tick = () => {
    const left = Math.ceil(((locked.get(name.value.toLowerCase()) ?? 0) - Date.now()) / 1000);
    wait.textContent = left > 0 ? t("loginWait", { n: left }) : "";
    submit.setAttribute("aria-disabled", String(left > 0 || busy));
    if (left > 0) return;
    if (ticking) error.textContent = "";
    clearInterval(ticking);
    ticking = 0;
  };
  const refused = ({ code, text, retry_after: seconds }) => {
    error.textContent = text;
    if (seconds) {
      locked.set(name.value.toLowerCase(), Date.now() + seconds * 1000);
      ticking ||= setInterval(tick, 1000);
    }
    (code === "bad_credentials" ? password : name).focus();
    if (code === "bad_credentials") password.select();
  };
  const send = async (event) => {
    event.preventDefault();
    if (submit.getAttribute("aria-disabled") === "true") return;
    busy = true;
    error.textContent = "";
    tick();
    try {
      await wire.login(name.value.trim(), password.value);
      password.value = "";
    } catch (problem) {
      refused(problem);
    }
    busy = false;
    tick();
  };
  name.addEventListener("input", () => {
    if (locked.has(name.value.toLowerCase())) ticking ||= setInterval(tick, 1000);
    tick();
  });
  clear(element, h("main", null, h("form", { onSubmit: send },
    h("h1", null, t("app")),
    h("div", null, h("label", { for: "login-name" }, t("loginName")), name),
    h("div", null, h("label", { for: "login-password" }, t("loginPassword")), password),
    submit, h("div", { class: "said" }, error, wait))));
  const shown = () => {
    if (store.me || store.link !== "logged_out") return;
    if (store.ended) error.textContent = store.ended;
    store.ended = "";
    if (!element.contains(document.activeElement)) name.focus();
  };
  store.subscribe("link", shown);
  tick();
  shown();
}
