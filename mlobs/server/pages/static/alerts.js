// Forms of the alerts' pages: the reader's name is remembered in this browser.
import { keep, kept } from "./kept.js";
import { whenShown } from "./live.js";

function fill(within) {
  for (const field of within.querySelectorAll("[data-who]")) if (!field.value) field.value = kept("who", "");
}

export function begin() {
  whenShown(fill);
  fill(document);
  document.addEventListener("submit", (event) => {
    const field = event.target.querySelector("input[name=who]:not([type=hidden])");
    if (field?.value) keep("who", field.value.trim());
  });
}
