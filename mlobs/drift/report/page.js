"use strict";
// Search, filter and sort the cards. Without it the page shows everything, those with most evidence first.
const list = document.getElementById("cards");
const cards = Array.from(list.children);
const search = document.getElementById("search");
const filter = document.getElementById("filter");
const order = document.getElementById("order");
const count = document.getElementById("count");

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards) {
    const fits = words.every((word) => card.dataset.name.includes(word)) &&
      (!filter.value || card.dataset.verdict === filter.value);
    card.hidden = !fits;
    shown += fits;
  }
  count.textContent = `${shown} of ${cards.length}`;
}

function sort() {
  const by = {
    evidence: (a, b) => cards.indexOf(a) - cards.indexOf(b),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    tv: (a, b) => b.dataset.tv - a.dataset.tv,
  }[order.value];
  list.append(...cards.slice().sort(by));
}

search.addEventListener("input", show);
filter.addEventListener("change", show);
order.addEventListener("change", sort);
show();
