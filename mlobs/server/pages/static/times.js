// Times in the reader's zone. The server writes UTC.
const two = (number) => String(number).padStart(2, "0");
const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;

export function told(at, form) {
  if (form === "clock") return clock(at);
  if (form === "millis") return `${clock(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  if (form === "minute") return clock(at).slice(0, 5);
  if (form === "day") return day(at).slice(5);
  if (form === "short") {
    const today = day(at) === day(new Date());
    return today ? clock(at).slice(0, 5) : `${day(at).slice(5)} ${clock(at).slice(0, 5)}`;
  }
  if (form === "row") return day(at) === day(new Date()) ? clock(at) : `${day(at).slice(5)} ${clock(at)}`;
  return `${day(at)} ${clock(at)}`;
}

export function localise(within) {
  for (const one of within.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(one.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    one.dataset.local = "";
    one.title = `${one.dateTime.replace("T", " ").replace("Z", " UTC")}`;
    one.textContent = told(at, one.dataset.form || "full");
  }
  // Of a chart's axis: text in a picture has no element for times.
  for (const one of within.querySelectorAll("text[data-time]")) {
    const at = new Date(one.dataset.time);
    if (!Number.isNaN(at.getTime())) one.textContent = told(at, one.dataset.form);
    one.removeAttribute("data-time");
  }
}
