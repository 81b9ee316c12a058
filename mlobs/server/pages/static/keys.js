// The keyboard: rows with j and k, / to ask, g and a letter to go, ? for help.
import { refresh } from "./live.js";

const rows = () => [...document.querySelectorAll("[data-row]")];
const writes = (one) => one.matches?.("input:not([type=checkbox]), textarea, select") || one.isContentEditable;
let going = 0;
const others = new Map();

// A page's own key; `act` returns false where it has nothing to do.
export function onKey(key, act) {
  others.set(key, act);
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((one) => one.contains(document.activeElement));
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  const target = next.querySelector("a, button") ?? next;
  target.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function go(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  if (link) location.assign(link.href);
}

function ask() {
  const field = document.querySelector("[data-ask]");
  field?.focus();
  field?.select();
}

export function begin() {
  const help = document.getElementById("help");
  const ours = {
    j: () => step(1),
    k: () => step(-1),
    "/": ask,
    r: () => refresh(location.href, { quiet: false }),
    "?": () => help.showModal(),
    g: () => {
      going = Date.now();
    },
  };
  document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (writes(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help.open) return;
    if (event.key === "Escape") {
      for (const one of document.querySelectorAll("details.drop[open]")) one.open = false;
    }
    if (going && Date.now() - going < 1500) {
      going = 0;
      go(event.key);
      event.preventDefault();
      return;
    }
    going = 0;
    const act = others.get(event.key) ?? ours[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    for (const one of document.querySelectorAll("details.drop[open]")) {
      if (!one.contains(event.target)) one.open = false;
    }
  });
}
