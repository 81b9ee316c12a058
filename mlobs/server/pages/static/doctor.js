// The way of a span from this browser to the server's tables; it stops at the first step that fails.
const ARRIVAL_MS = 15_000;

const MEANINGS = {
  401: "The server wants a token, and this browser has none: sign in.",
  403: "The token of this browser may not send; the scope it needs is ingest.",
  413: "Even one span is too large for what stands between.",
  429: "The server is busy; programs send again.",
  503: "The server cannot take data now.",
};

const hex = (bytes) =>
  [...crypto.getRandomValues(new Uint8Array(bytes))].map((one) => one.toString(16).padStart(2, "0")).join("");

class Trouble extends Error {}

async function asked(path, given = {}) {
  try {
    return await fetch(path, { cache: "no-store", ...given });
  } catch {
    throw new Trouble("Nobody answers at this address.");
  }
}

function probe(text) {
  const request = JSON.parse(text);
  const span = request.resourceSpans[0].scopeSpans[0].spans[0];
  const now = `${Date.now()}000000`;
  Object.assign(span, { traceId: hex(16), spanId: hex(8), startTimeUnixNano: now, endTimeUnixNano: now });
  return [span.traceId, JSON.stringify(request)];
}

async function answers() {
  const answer = await asked("/healthz");
  if (!answer.ok) throw new Trouble(`It answers ${answer.status}: something stands between.`);
  const skew = Math.abs(Date.parse(answer.headers.get("date")) - Date.now()) / 1000;
  return skew > 60 ? `an mlobs server answers; its clock differs by ${Math.round(skew)} s` : "an mlobs server answers";
}

async function accepts(body) {
  const answer = await asked("/v1/traces", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  if (!answer.ok) {
    const said = (await answer.text()).slice(0, 300);
    throw new Trouble(`/v1/traces answers ${answer.status}. ${MEANINGS[answer.status] ?? ""} It says: ${said}`);
  }
  return "a span was acknowledged";
}

async function works() {
  const told = await (await asked("/readyz")).json();
  const failures = Object.entries(told.failures);
  if (failures.length) throw new Trouble(failures.map(([part, why]) => `${part}: ${why}`).join("; "));
  return "the server takes and stores data";
}

async function arrives(trace) {
  const began = performance.now();
  while (performance.now() - began < ARRIVAL_MS) {
    // A list that does not have it yet is no failure, as asking for the trace itself would be.
    const answer = await asked(`/api/traces?q=trace:${trace}&limit=1`);
    if (!answer.ok) throw new Trouble(`The server does not answer questions: ${answer.status}.`);
    if ((await answer.json()).traces.length) {
      return `the span was found after ${((performance.now() - began) / 1000).toFixed(1)} s`;
    }
    await new Promise((done) => setTimeout(done, 300));
  }
  throw new Trouble(`The span was acknowledged and cannot be found after ${ARRIVAL_MS / 1000} s.`);
}

function line(list, mark, name, text) {
  const item = document.createElement("li");
  item.className = mark;
  for (const [tag, said] of [["b", mark === "ok" ? "ok" : "FAIL"], ["span", name], ["span", text]]) {
    const part = document.createElement(tag);
    part.textContent = said;
    item.append(part);
  }
  list.append(item);
}

async function look(place) {
  const list = place.querySelector("[data-doctor-steps]");
  list.replaceChildren();
  const [trace, body] = probe(place.dataset.doctor);
  const steps = {
    endpoint: answers,
    sending: () => accepts(body),
    server: works,
    arrival: () => arrives(trace),
  };
  for (const [name, step] of Object.entries(steps)) {
    try {
      line(list, "ok", name, await step());
    } catch (error) {
      line(list, "fail", name, error instanceof Trouble ? error.message : `An answer cannot be read: ${error}`);
      return;
    }
  }
  line(list, "ok", "all", "A span that is sent to this address can be asked for.");
}

export function begin() {
  const place = document.querySelector("[data-doctor]");
  for (const one of document.querySelectorAll("[data-unscripted]")) one.remove();
  const button = place.querySelector("[data-doctor-begin]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    await look(place);
    button.disabled = false;
    button.textContent = "Send another";
  });
}
