// Keeps what is shown fresh: asks for the page's changing part and puts it in the place of the old one.
// Not while the tab is hidden, somebody selects text or writes, or a menu is open.
const SHOWN = [];
const part = () => document.getElementById("live");
let timer = 0;
let asking = null;
let failures = 0;

export function whenShown(act) {
  SHOWN.push(act);
}

export function shown(within) {
  for (const act of SHOWN) act(within);
}

function seconds() {
  const said = Number(part()?.dataset.live);
  return Number.isFinite(said) && said > 0 ? said : 0;
}

export function plan(after) {
  clearTimeout(timer);
  const every = seconds();
  const recovers = part()?.hasAttribute("data-recover") || failures > 0;
  const waits = after ?? every * Math.min(6, 1 + failures);
  if (every || recovers) timer = setTimeout(tick, Math.max(1, waits || 5) * 1000);
}

function busy() {
  if (document.hidden) return true;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && part()?.contains(selection.anchorNode)) return true;
  const focused = document.activeElement;
  if (focused && focused.matches("input, select, textarea")) return true;
  return document.querySelector("details.drop[open], dialog[open]") !== null;
}

async function tick() {
  if (!busy()) await refresh();
  plan();
}

// Asks for an address and shows what comes. Returns the status, 0 if nobody answered.
export async function refresh(address = location.href, { quiet = true } = {}) {
  asking?.abort();
  const mine = (asking = new AbortController());
  pulse(quiet ? "" : "asking");
  try {
    const answer = await fetch(address, {
      headers: { Accept: "text/html", "X-Part": "live" },
      signal: mine.signal,
      cache: "no-store",
    });
    if (answer.redirected && new URL(answer.url).pathname === "/login") {
      location.assign(answer.url);
      return 401;
    }
    const text = await answer.text();
    const status = Number(answer.headers.get("X-Status") ?? answer.status);
    if (mine.signal.aborted) return 0;
    gone("");
    failures = status >= 500 ? failures + 1 : 0;
    if (status === 400) problem(text);
    else if (answer.ok) put(text, status < 400);
    pulse("");
    return status;
  } catch (error) {
    if (error.name === "AbortError") return 0;
    failures += 1;
    pulse("");
    gone("The server does not answer. What is shown is from before; this page asks again by itself.");
    return 0;
  }
}

function put(text, well) {
  const place = part();
  if (place.hasAttribute("data-recover") && well) {
    location.reload(); // The page around it is that of a failure.
    return;
  }
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const open = [...place.querySelectorAll("details[id][open]")].map((one) => one.id);
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...parsed.body.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  shown(place);
  place.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  if (held) same(place, held)?.focus({ preventScroll: true });
}

// What stands now where the reader was: the element itself, if the page put it back, or one that is the same.
function same(place, held) {
  if (held.isConnected) return held;
  const row = held.closest("[data-row]")?.dataset.row;
  const again = row && place.querySelector(`[data-row="${CSS.escape(row)}"]`);
  const link = [...(again || place).querySelectorAll("a[href]")].find((one) => one.href === held.href);
  if (again) return link ?? again.querySelector("a, button") ?? again;
  return held.id ? document.getElementById(held.id) : link;
}

// A question that is not well yet: what is wrong is said above what was found before.
function problem(text) {
  const place = part();
  const found = new DOMParser().parseFromString(text, "text/html").getElementById("problem");
  document.getElementById("problem")?.remove();
  if (found) place.prepend(found);
}

function gone(sentence) {
  const place = document.getElementById("gone");
  place.hidden = !sentence;
  place.textContent = sentence;
}

function pulse(word) {
  const place = document.getElementById("pulse");
  place.classList.toggle("on", word !== "");
  const every = seconds();
  const text = every ? "live" : "";
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("steady", every > 0);
}

export function begin() {
  pulse("");
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && (seconds() || failures)) plan(0.2);
  });
  plan();
}
