// The tree of a trace: rows are made only where they are seen, so 50,000 spans scroll as easily as ten.
import { onKey } from "./keys.js";
import { shown as announce } from "./live.js";

const ROW = 26;
const SPARE = 12;
const LAST_WORD_MAX = 26;
const FAILED = 1, FIRST = 2, ORPHAN = 4, PARENT = 8, CANCELLED = 16, ABANDONED = 32;

let data = null; // Of the tree that is shown.
let open; // By row: whether what is below it is shown.
let visible = []; // The rows that are shown now, in order.
let chosen = -1;
let view, canvas, tree;
let aside = null;
let closed = new Set(); // Kept over a refresh: rows by what they are.
let turn = 0;

function took(ms) {
  const three = (number) => (number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2));
  if (ms < 1) return `${three(ms * 1000)} µs`;
  if (ms < 1000) return `${three(ms)} ms`;
  if (ms < 60000) return `${three(ms / 1000)} s`;
  const s = Math.round(ms / 1000);
  return s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const identity = (i) => `${data.ids[i]}/${data.count[i]}`;
const parent = (i) => (data.flags[i] & PARENT) !== 0;

function read(place) {
  const found = JSON.parse(place.textContent);
  found.ids = found.id.split(" ");
  found.n = found.depth.length;
  return found;
}

function list() {
  visible = [];
  for (let i = 0; i < data.n; ) {
    visible.push(i);
    if (parent(i) && !open[i]) {
      const depth = data.depth[i];
      i += 1;
      while (i < data.n && data.depth[i] > depth) i += 1;
    } else i += 1;
  }
  canvas.style.height = `${visible.length * ROW}px`;
  tree.setAttribute("aria-rowcount", visible.length);
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Calls of a model differ by their last word, the function's: where there is no room, what is before it is cut.
function titled(text) {
  const bold = document.createElement("b");
  const last = text.lastIndexOf(" ");
  if (last <= 0 || text.length - last > LAST_WORD_MAX) bold.append(element("span", "start", text));
  else bold.append(element("span", "start", text.slice(0, last)), element("span", "end", text.slice(last)));
  return bold;
}

function said(flags) {
  let text = flags & FIRST ? " – first failing step" : flags & FAILED ? " – failed" : "";
  if (flags & ORPHAN) text += " (its parent is missing)";
  if (flags & CANCELLED) text += " (cancelled)";
  if (flags & ABANDONED) text += " (abandoned)";
  return text;
}

function row(place) {
  const i = visible[place];
  const flags = data.flags[i];
  const noun = data.nouns[data.noun[i]];
  const made = element("div", "row");
  made.classList.add(/^[a-z]+$/.test(noun) ? `n-${noun}` : "n-other");
  if (flags & FAILED) made.classList.add("failed");
  if (flags & FIRST) made.classList.add("first");
  if (place === chosen) made.classList.add("chosen");
  made.id = `row-${i}`;
  made.dataset.place = place;
  made.setAttribute("role", "row");
  made.setAttribute("aria-level", data.depth[i] + 1);
  made.setAttribute("aria-rowindex", place + 1);
  made.setAttribute("aria-selected", String(place === chosen));
  if (parent(i)) made.setAttribute("aria-expanded", String(open[i] === 1));
  made.style.top = `${place * ROW}px`;

  const label = element("div", "label");
  label.setAttribute("role", "gridcell");
  const indent = element("span", "indent");
  indent.style.width = `${Math.min(data.depth[i], 24) * 12}px`;
  const twist = element("span", "twist", parent(i) ? (open[i] ? "▾" : "▸") : "");
  twist.setAttribute("aria-hidden", "true");
  const mark = element("span", "noun");
  mark.title = noun || "span";
  const name = element("span", "name");
  if (data.count[i]) name.append(`${data.count[i].toLocaleString()} × `);
  name.append(titled(data.titles[data.title[i]]));
  name.title = `${data.titles[data.title[i]]} (${data.services[data.service[i]]})`;
  name.append(element("span", "also", said(flags)));
  label.append(indent, twist, mark, name, element("span", "facts", data.allFacts[data.facts[i]]));

  const times = element("div", "times");
  times.setAttribute("role", "gridcell");
  const bar = element("div", "bar-line");
  const length = data.length_ms || 1;
  const left = (data.start[i] / length) * 100;
  const width = (data.took[i] / length) * 100;
  bar.style.left = `${Math.min(left, 99.7)}%`;
  bar.style.width = `${Math.max(0, Math.min(width, 100 - left))}%`;
  const text = element("span", "bar-text", took(data.took[i]));
  text.style.left = `${Math.min(left + width, 100)}%`;
  times.append(bar, text);
  made.append(label, times);
  return made;
}

function draw() {
  const first = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE);
  const last = Math.min(visible.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + SPARE);
  const rows = [];
  for (let place = first; place < last; place += 1) rows.push(row(place));
  canvas.replaceChildren(...rows);
  if (chosen >= first && chosen < last) tree.setAttribute("aria-activedescendant", `row-${visible[chosen]}`);
  else tree.removeAttribute("aria-activedescendant");
}

function seen(place) {
  const top = place * ROW;
  if (top < view.scrollTop) view.scrollTop = top;
  else if (top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW - view.clientHeight;
}

function choose(place, { show = false } = {}) {
  if (place < 0 || place >= visible.length) return;
  chosen = place;
  seen(place);
  draw();
  if (show || aside) detail(data.ids[visible[place]]);
}

function toggle(place, to) {
  const i = visible[place];
  if (!parent(i)) return false;
  const next = to ?? (open[i] ? 0 : 1);
  if (open[i] === next) return false;
  open[i] = next;
  if (next) closed.delete(identity(i));
  else closed.add(identity(i));
  const kept = visible[chosen];
  list();
  chosen = visible.indexOf(kept);
  draw();
  return true;
}

// Opens what is above a row, so that it is among the visible.
function uncover(i) {
  let depth = data.depth[i];
  for (let above = i - 1; above >= 0 && depth > 0; above -= 1) {
    if (data.depth[above] < depth) {
      open[above] = 1;
      depth = data.depth[above];
    }
  }
  list();
  return visible.indexOf(i);
}

const rowOf = (id) => data.ids.findIndex((one, i) => one === id && data.count[i] === 0);

function reveal(id, { show = true } = {}) {
  const i = rowOf(id);
  if (i < 0) return show && detail(id);
  choose(uncover(i), { show });
}

function error(by) {
  const from = chosen >= 0 ? visible[chosen] : by > 0 ? -1 : data.n;
  for (let i = from + by; i >= 0 && i < data.n; i += by) {
    if (data.flags[i] & FAILED && data.count[i] === 0) return choose(uncover(i), { show: true });
  }
  return undefined;
}

function all(to) {
  for (let i = 0; i < data.n; i += 1) {
    if (!parent(i)) continue;
    // The root stays open: a single row says nothing.
    open[i] = to || data.depth[i] === 0 ? 1 : 0;
    if (open[i]) closed.delete(identity(i));
    else closed.add(identity(i));
  }
  const kept = visible[chosen];
  list();
  chosen = visible.indexOf(kept);
  view.scrollTop = 0;
  draw();
}

function find(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return;
  const fits = data.titles.map((one) => one.toLowerCase().includes(wanted));
  const from = chosen >= 0 ? visible[chosen] : -1;
  for (let step = 1; step <= data.n; step += 1) {
    const i = (from + step) % data.n;
    if (data.count[i] === 0 && fits[data.title[i]]) return choose(uncover(i));
  }
}

function address(span) {
  const url = new URL(location.href);
  if (span) url.searchParams.set("span", span);
  else url.searchParams.delete("span");
  history.replaceState(history.state, "", url);
}

async function detail(id) {
  const mine = (turn += 1);
  if (!aside) {
    aside = element("aside", "span-view");
    aside.id = "span";
    aside.setAttribute("aria-label", "The chosen span");
    aside.tabIndex = -1;
  }
  if (!aside.isConnected) document.querySelector("[data-spans]").append(aside);
  address(id);
  if (aside.dataset.id === id) return;
  const path = `/traces/${encodeURIComponent(document.querySelector("[data-spans]").dataset.spans)}/spans/${encodeURIComponent(id)}`;
  let text = "";
  try {
    const answer = await fetch(path, { headers: { Accept: "text/html", "X-Part": "live" } });
    text = await answer.text();
  } catch {
    text = "";
  }
  if (mine !== turn) return;
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const found = parsed.querySelector(".span-view") ?? parsed.body;
  if (!text) found.textContent = "The server does not answer; choose the span again.";
  aside.replaceChildren(...found.childNodes);
  aside.dataset.id = id;
  aside.scrollTop = 0;
  announce(aside);
  listen(aside);
}

function close() {
  turn += 1;
  aside?.remove();
  aside = null;
  address("");
  tree.focus();
}

function listen(within) {
  for (const link of within.querySelectorAll("[data-span]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.button || !data) return;
      event.preventDefault();
      reveal(link.dataset.span);
    });
  }
  within.querySelector("[data-close-span]")?.addEventListener("click", close);
}

function axis(place, length) {
  const line = element("div", "axis-row");
  line.setAttribute("aria-hidden", "true");
  line.append(element("span", "label"));
  const times = element("span", "times");
  for (const share of [0, 0.25, 0.5, 0.75]) {
    const text = element("span", "bar-text", share ? took(length * share) : "0");
    text.style.left = `${share * 100}%`;
    times.append(text);
  }
  line.append(times);
  place.before(line);
}

function set() {
  const split = document.querySelector("[data-spans]");
  if (!split) {
    data = null;
    return;
  }
  const before = data ? { id: chosen >= 0 ? data.ids[visible[chosen]] : "", top: view.scrollTop } : null;
  data = read(split.querySelector("[data-columns-of-spans]"));
  tree = split.querySelector("[data-plain]");
  tree.replaceChildren();
  tree.className = "viewport";
  tree.setAttribute("role", "treegrid");
  tree.setAttribute("aria-label", "Spans as a tree");
  tree.tabIndex = 0;
  view = tree;
  canvas = element("div", "rows virtual");
  canvas.setAttribute("role", "rowgroup");
  tree.append(canvas);
  axis(tree, data.length_ms);
  open = new Uint8Array(data.n);
  for (let i = 0; i < data.n; i += 1) open[i] = data.count[i] || closed.has(identity(i)) ? 0 : 1;
  list();
  chosen = -1;
  const own = split.querySelector("#span");
  if (aside && !own) split.append(aside);
  else if (own) {
    aside = own;
    aside.dataset.id = aside.dataset.id ?? split.dataset.chosen;
  }
  view.addEventListener("scroll", draw, { passive: true });
  canvas.addEventListener("click", (event) => {
    const place = Number(event.target.closest(".row")?.dataset.place ?? -1);
    if (place < 0) return;
    if (event.target.closest(".twist") || data.count[visible[place]]) {
      chosen = place;
      toggle(place);
    } else choose(place, { show: true });
  });
  split.querySelector("[data-open-all]").addEventListener("click", () => all(1));
  split.querySelector("[data-close-all]").addEventListener("click", () => all(0));
  split.querySelector("[data-next-error]").addEventListener("click", () => error(1));
  const field = split.querySelector("[data-find]");
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") find(field.value);
  });
  listen(document.getElementById("live"));
  if (before) {
    view.scrollTop = before.top;
    const i = before.id ? rowOf(before.id) : -1;
    chosen = i < 0 ? -1 : visible.indexOf(i);
    draw();
  } else {
    const wanted = split.dataset.chosen;
    draw();
    if (wanted && rowOf(wanted) >= 0) choose(uncover(rowOf(wanted)));
  }
}

export function begin() {
  set();
  document.getElementById("live").addEventListener("refreshed", set);
  addEventListener("resize", () => data && draw());
  const here = (act) => () => (data ? act() : false);
  onKey("j", here(() => choose(Math.min(visible.length - 1, chosen + 1))));
  onKey("k", here(() => choose(Math.max(0, chosen - 1))));
  onKey("ArrowDown", (event) => (data && tree.contains(event.target) ? choose(Math.min(visible.length - 1, chosen + 1)) : false));
  onKey("ArrowUp", (event) => (data && tree.contains(event.target) ? choose(Math.max(0, chosen - 1)) : false));
  onKey("l", here(() => chosen >= 0 && (toggle(chosen, 1) || choose(chosen + 1))));
  onKey("h", here(left));
  onKey("ArrowRight", (event) => (data && tree.contains(event.target) && chosen >= 0 ? toggle(chosen, 1) || choose(chosen + 1) : false));
  onKey("ArrowLeft", (event) => (data && tree.contains(event.target) ? left() : false));
  onKey("Enter", (event) => {
    if (!data || chosen < 0 || event.target.closest("a, button, summary")) return false;
    return data.count[visible[chosen]] ? toggle(chosen) : choose(chosen, { show: true });
  });
  onKey("e", here(() => error(1)));
  onKey("E", here(() => error(-1)));
  onKey("f", here(() => {
    const i = data.flags.findIndex((one) => one & FIRST);
    return i < 0 ? false : choose(uncover(i), { show: true });
  }));
  onKey("x", here(() => (aside ? close() : false)));
  onKey("/", () => {
    document.querySelector("[data-find]")?.focus();
  });
}

function left() {
  if (chosen < 0) return false;
  if (toggle(chosen, 0)) return true;
  const depth = data.depth[visible[chosen]];
  for (let place = chosen - 1; place >= 0; place -= 1) {
    if (data.depth[visible[place]] < depth) return choose(place);
  }
  return undefined;
}
