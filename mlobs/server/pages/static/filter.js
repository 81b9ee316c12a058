// The question of the list: asked while it is typed, with suggestions of keys and values; views and columns.
import { keep, kept } from "./kept.js";
import { onKey } from "./keys.js";
import { plan, refresh } from "./live.js";

const PAUSE_MS = 220;
const AMOUNTS = {
  duration: ["duration>1s", "duration>5s", "duration>1m"],
  ttfc: ["ttfc>500ms", "ttfc>2s"],
  cost: ["cost>0.01", "cost>0.1", "cost>1"],
  tokens: ["tokens>1k", "tokens>10k", "tokens>100k"],
  input_tokens: ["input_tokens>10k"],
  output_tokens: ["output_tokens>1k"],
  cached_tokens: ["cached_tokens>0"],
  reasoning_tokens: ["reasoning_tokens>1k"],
  status: ["status:error", "status:ok", "status:unset"],
  root: ["root:yes", "root:no"],
  call: ["call:yes", "call:no"],
};

let form, field, list;
let keys = null;
let offered = [];
let at = -1;
let timer = 0;
let turn = 0;

function here(change) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(change)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  return url;
}

function show(url, { push }) {
  if (push) history.pushState(null, "", url);
  else history.replaceState(history.state, "", url);
  return load(url);
}

// Shows what an address answers, without loading the page anew; what is around the list asks the same.
async function load(url) {
  const live = document.getElementById("live");
  live.classList.add("stale");
  const status = await refresh(url.href, { quiet: false });
  live.classList.remove("stale");
  field.setAttribute("aria-invalid", String(status === 400));
  document.title = `${field.value || "Traces"} · mlobs`;
  for (const hidden of form.querySelectorAll("input[type=hidden]")) {
    const value = url.searchParams.get(hidden.name);
    if (value === null) hidden.remove();
    else hidden.value = value;
  }
  for (const link of document.querySelectorAll(".ranges a, a[data-tail]")) {
    const target = new URL(link.href);
    if (field.value) target.searchParams.set("q", field.value);
    else target.searchParams.delete("q");
    link.href = target.href;
  }
}

// What is being typed has one entry of the history, after that of what was asked for before.
let committed = "";
let drafting = false;
function ask(whole) {
  clearTimeout(timer);
  const push = !drafting && committed !== field.value;
  drafting = !whole && (drafting || push);
  if (whole) committed = field.value;
  show(here({ q: field.value.trim(), cursor: "" }), { push });
}

// The term that is being written: where it begins, and its parts.
function writing() {
  const end = field.selectionStart;
  const before = field.value.slice(0, end);
  if ((before.match(/(?<!\\)"/g) ?? []).length % 2 === 1 && !/[\w.]+:"[^"]*$/.test(before)) return null;
  const found = /(?:^|[\s({-])((?:attr|resource)?[\w.@/$-]*)(?:(:|!=|>=?|<=?)("?)([^"]*))?$/.exec(before);
  if (!found) return null;
  const [, key, operator, quote, value] = found;
  const length = key.length + (operator ?? "").length + (quote ?? "").length + (value ?? "").length;
  if (operator && /\s/.test(value) && !quote) return { key: "", start: end };
  return { key, operator, value: value ?? "", start: end - length };
}

async function get(query) {
  const given = new URLSearchParams(query);
  for (const name of ["since", "from", "to"]) {
    const value = new URL(location.href).searchParams.get(name);
    if (value) given.set(name, value);
  }
  const answer = await fetch(`/api/attributes?${given}`);
  return answer.ok ? answer.json() : {};
}

const written = (value) => (/^[^\s"(){}\\:<>=!*][^\s"(){}\\*]*$/.test(value) ? value : `"${value.replace(/[\\*]/g, "\\$&").replace(/"/g, '\\"')}"`);

async function suggestions(term) {
  if (!keys) keys = await get({ limit: 200 });
  if (!term.operator) {
    const begins = term.key.toLowerCase();
    const own = (keys.keys ?? []).filter((one) => one.key.startsWith(begins));
    const attributes = (keys.attributes ?? []).filter((one) => begins && one.key.toLowerCase().includes(begins));
    return [
      ...own.map((one) => ({ text: one.key in AMOUNTS && one.key !== "status" ? `${one.key}>` : `${one.key}:`, note: one.meaning, goesOn: true })),
      ...attributes.slice(0, 20).map((one) => ({ text: `${one.key}:`, note: `${one.spans} spans of a sample`, goesOn: true })),
    ].slice(0, 40);
  }
  if (AMOUNTS[term.key]) return AMOUNTS[term.key].filter((one) => one.includes(term.value)).map((text) => ({ text, note: "" }));
  if (term.operator !== ":" && term.operator !== "!=") return [];
  const found = await get({ key: term.key, beginning: term.value, limit: 20 });
  return (found.values ?? []).map((one) => ({
    text: `${term.key}${term.operator}${written(one.value)}`,
    note: `${one.spans.toLocaleString()} spans`,
  }));
}

async function suggest() {
  const mine = (turn += 1);
  const term = writing();
  if (!term || document.activeElement !== field) return close();
  let found = [];
  try {
    found = await suggestions(term);
  } catch {
    found = []; // The server is gone, which the list itself says.
  }
  if (mine !== turn || document.activeElement !== field) return;
  offered = found.filter((one) => one.text !== field.value.slice(term.start, field.selectionStart)).map((one) => ({ ...one, start: term.start }));
  at = -1;
  list.replaceChildren(
    ...offered.map((one, index) => {
      const item = document.createElement("li");
      const text = document.createElement("b");
      const note = document.createElement("span");
      item.id = `suggestion-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      text.textContent = one.text;
      note.textContent = one.note;
      item.append(text, note);
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(index);
      });
      return item;
    }),
  );
  list.hidden = offered.length === 0;
  field.setAttribute("aria-expanded", String(!list.hidden));
}

function close() {
  turn += 1;
  list.hidden = true;
  field.setAttribute("aria-expanded", "false");
  field.removeAttribute("aria-activedescendant");
}

function mark(next) {
  at = (next + offered.length) % offered.length;
  [...list.children].forEach((item, index) => {
    item.setAttribute("aria-selected", String(index === at));
    if (index === at) item.scrollIntoView({ block: "nearest" });
  });
  field.setAttribute("aria-activedescendant", `suggestion-${at}`);
}

function take(index) {
  const { text, start, goesOn } = offered[index];
  const end = field.selectionStart;
  const rest = field.value.slice(end);
  const put = goesOn ? text : `${text}${rest.startsWith(" ") ? "" : " "}`;
  field.value = field.value.slice(0, start) + put + rest;
  field.setSelectionRange(start + put.length, start + put.length);
  if (goesOn) suggest();
  else {
    close();
    ask(true);
  }
}

function views() {
  const place = document.querySelector("[data-views]");
  const items = place.querySelector("ul");
  const name = place.querySelector("[data-view-name]");
  const draw = () => {
    items.replaceChildren(
      ...kept("views", []).map((one, index) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        const remove = document.createElement("button");
        link.href = one.address;
        link.textContent = one.name;
        remove.type = "button";
        remove.className = "plain";
        remove.textContent = "×";
        remove.setAttribute("aria-label", `Forget ${one.name}`);
        remove.addEventListener("click", () => {
          keep("views", kept("views", []).filter((_, place) => place !== index));
          draw();
        });
        item.append(link, remove);
        return item;
      }),
    );
  };
  place.querySelector("[data-view-save]").addEventListener("click", () => {
    const title = name.value.trim() || field.value.trim() || "All traces";
    const url = here({ cursor: "" });
    keep("views", [...kept("views", []).filter((one) => one.name !== title), { name: title, address: url.pathname + url.search }]);
    name.value = "";
    draw();
  });
  const copy = place.querySelector("[data-copy-here]");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    copy.textContent = "Copied";
  });
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      place.querySelector("[data-view-save]").click();
    }
  });
  draw();
}

function columns() {
  const place = document.querySelector("[data-columns]");
  place.querySelector("[data-unscripted]").remove();
  place.addEventListener("change", () => {
    const names = [...place.querySelectorAll("input:checked")].map((one) => one.value);
    show(here({ columns: names.join(",") || "name" }), { push: false });
  });
}

export function begin() {
  form = document.querySelector("[data-filter]");
  field = form.querySelector("[data-ask]");
  list = document.getElementById("suggestions");
  committed = field.value;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      suggest();
      ask(false);
    }, PAUSE_MS);
  });
  field.addEventListener("focus", suggest);
  field.addEventListener("blur", () => {
    close();
    plan();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && offered.length && !list.hidden) mark(at + 1);
    else if (event.key === "ArrowUp" && offered.length && !list.hidden) mark(at - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && at >= 0 && !list.hidden) take(at);
    else if (event.key === "Enter") {
      close();
      ask(true);
    } else if (event.key === "Escape" && !list.hidden) {
      close();
      event.stopPropagation();
    } else return;
    event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    close();
    ask(true);
  });
  addEventListener("popstate", () => {
    field.value = new URL(location.href).searchParams.get("q") ?? "";
    committed = field.value;
    drafting = false;
    load(new URL(location.href));
  });
  onKey("t", () => document.querySelector("[data-tail]").click());
  views();
  columns();
}
