// The form for a range of its own: what is written as a local time is sent as UTC.
const WRITTEN = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?$/;
const two = (number) => String(number).padStart(2, "0");

function local(text) {
  const at = new Date(`${text}${text.length <= 16 ? ":00" : ""}Z`);
  if (!WRITTEN.test(text) || Number.isNaN(at.getTime())) return text;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

function utc(text) {
  if (!WRITTEN.test(text)) return text;
  const at = new Date(text.length === 10 ? `${text}T00:00` : text);
  return Number.isNaN(at.getTime()) ? text : `${at.toISOString().slice(0, 19)}Z`;
}

export function begin() {
  for (const form of document.querySelectorAll("form[data-range]")) {
    form.querySelector(".hint").textContent = "Your local time, or how long ago: -2h, -7d.";
    for (const field of form.querySelectorAll("[data-moment]")) field.value = local(field.value.replace(/(:\d\d)?Z$/, ""));
    form.addEventListener("submit", () => {
      for (const field of form.querySelectorAll("[data-moment]")) {
        if (!field.value) field.disabled = true;
        else field.value = utc(field.value.trim());
      }
    });
  }
}
