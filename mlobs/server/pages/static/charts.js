// What a chart says where the pointer is: a line across it and the values of that step.
import { told } from "./times.js";

let box = null;

function tooltip() {
  if (!box) {
    box = document.createElement("div");
    box.className = "tip";
    box.setAttribute("role", "status");
    box.hidden = true;
    document.body.append(box);
  }
  return box;
}

function show(chart, data, index, x, y) {
  const tip = tooltip();
  tip.replaceChildren();
  const head = document.createElement("div");
  const label = data.labels[index];
  head.className = "tip-head";
  head.textContent = data.times ? told(new Date(label), data.step >= 86400 ? "day" : "short") : label;
  tip.append(head);
  for (const series of data.series) {
    const line = document.createElement("div");
    const mark = document.createElement("i");
    const name = document.createElement("span");
    const value = document.createElement("b");
    mark.className = series.mark;
    name.textContent = series.name;
    value.textContent = series.values[index] ?? "–";
    line.append(mark, name, value);
    tip.append(line);
  }
  tip.hidden = false;
  const wide = tip.offsetWidth;
  const left = x + 16 + wide > innerWidth ? x - wide - 12 : x + 14;
  tip.style.left = `${Math.max(4, left) + scrollX}px`;
  tip.style.top = `${Math.max(4, Math.min(innerHeight - tip.offsetHeight - 4, y + 12)) + scrollY}px`;
  const cursor = chart.querySelector(".cursor");
  cursor?.setAttribute("transform", `translate(${data.xs[index]} 0)`);
  cursor?.classList.add("on");
}

function hide(chart) {
  tooltip().hidden = true;
  chart.querySelector(".cursor")?.classList.remove("on");
}

function nearest(xs, x) {
  let best = 0;
  for (let i = 1; i < xs.length; i += 1) if (Math.abs(xs[i] - x) < Math.abs(xs[best] - x)) best = i;
  return best;
}

export function listen(within) {
  for (const chart of within.querySelectorAll("svg[data-chart]")) {
    const data = JSON.parse(chart.dataset.chart);
    if (!data.xs.length) continue;
    let at = -1;
    const point = (event) => {
      const place = chart.getBoundingClientRect();
      const scale = chart.viewBox.baseVal.width / place.width;
      at = nearest(data.xs, (event.clientX - place.left) * scale);
      show(chart, data, at, event.clientX, event.clientY);
    };
    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerleave", () => hide(chart));
    chart.addEventListener("blur", () => hide(chart));
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Enter") follow();
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      at = Math.max(0, Math.min(data.xs.length - 1, at < 0 ? 0 : at + by));
      const place = chart.getBoundingClientRect();
      const x = place.left + (data.xs[at] / chart.viewBox.baseVal.width) * place.width;
      show(chart, data, at, x, place.top + 8);
    });
    const follow = () => {
      if (at < 0 || !data.link) return;
      const url = new URL(data.link, location.href);
      url.searchParams.set("from", data.labels[at]);
      url.searchParams.set("to", new Date(Date.parse(data.labels[at]) + data.step * 1000).toISOString());
      location.assign(url);
    };
    chart.classList.toggle("leads", Boolean(data.link));
    chart.addEventListener("click", follow);
  }
}
