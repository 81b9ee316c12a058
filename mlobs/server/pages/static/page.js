// What every page does; what a page has of its own is begun where its elements are.
import * as charts from "./charts.js";
import * as copying from "./copying.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as ranges from "./ranges.js";
import * as times from "./times.js";

const OWN = { "[data-filter]": "./filter.js", "[data-spans]": "./trace.js", "[data-doctor]": "./doctor.js", "form[action^='/alerts']": "./alerts.js" };

function theme() {
  const root = document.documentElement;
  document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("mlobs.theme", root.dataset.theme);
    } catch {
      // Full, or forbidden: the theme holds for this page.
    }
  });
}

live.whenShown(times.localise);
live.whenShown(charts.listen);
live.whenShown(copying.listen);
live.shown(document);
theme();
keys.begin();
ranges.begin();
for (const [selector, file] of Object.entries(OWN)) {
  if (document.querySelector(selector)) import(file).then((module) => module.begin());
}
live.begin();
