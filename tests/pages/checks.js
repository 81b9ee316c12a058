// What is wrong with a page for people who do not see it, do not use a mouse, or see little. Returns sentences.
() => {
  const found = [];
  const told = (one) => `${one.tagName.toLowerCase()}.${String(one.className.baseVal ?? one.className).split(" ")[0]} ${JSON.stringify((one.textContent ?? "").trim().slice(0, 40))}`;
  const shown = (one) => {
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    return style.visibility !== "hidden" && style.display !== "none" && box.width > 1 && box.height > 1 && !one.closest("[hidden]");
  };
  const channels = (text) => {
    const rgb = text.match(/^rgba?\(([^)]*)\)$/);
    if (rgb) {
      const [r, g, b, a = 1] = rgb[1].split(/[,/ ]+/).filter(Boolean).map(Number);
      return { r, g, b, a };
    }
    const srgb = text.match(/^color\(srgb ([^)]*)\)$/);
    if (srgb) {
      const [r, g, b, a = 1] = srgb[1].split(/[/ ]+/).filter(Boolean).map(Number);
      return { r: r * 255, g: g * 255, b: b * 255, a };
    }
    return { r: 0, g: 0, b: 0, a: 0 };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a),
    a: 1,
  });
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((one) => {
      const share = one / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (one) => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
  };
  const contrast = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };

  // Text and its ground.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(one) || !shown(one) || one.closest("option, script, noscript, .visually-hidden, [disabled], .stale")) continue;
    seen.add(one);
    const style = getComputedStyle(one);
    const below = ground(one);
    const svg = one instanceof SVGElement;
    const colour = channels(svg ? style.fill : style.color);
    const ratio = contrast(over(colour, below), below);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
    if (ratio < (large ? 3 : 4.5)) found.push(`contrast ${ratio.toFixed(2)}: ${told(one)}`);
  }

  // Names of what can be used.
  const named = (one) =>
    (one.getAttribute("aria-label") ?? "").trim() ||
    (one.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("").trim() ||
    (one.labels && [...one.labels].some((label) => label.textContent.trim())) ||
    (!one.matches("input, select, textarea") && one.textContent.trim()) ||
    [...one.querySelectorAll("img[alt], svg title")].some((inner) => (inner.getAttribute("alt") ?? inner.textContent).trim()) ||
    (one.getAttribute("title") ?? "").trim();
  for (const one of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=treegrid]")) {
    if (shown(one) && !named(one)) found.push(`no name: ${told(one)} ${one.outerHTML.slice(0, 120)}`);
  }
  for (const one of document.querySelectorAll("img:not([alt]), svg[role=img]:not(:has(title))")) found.push(`no text for a picture: ${told(one)}`);
  for (const one of document.querySelectorAll("table")) if (!one.querySelector("th")) found.push(`a table without heads: ${told(one)}`);
  for (const one of document.querySelectorAll("[aria-controls], [aria-describedby], [aria-labelledby], [aria-activedescendant]")) {
    for (const name of ["aria-controls", "aria-describedby", "aria-labelledby", "aria-activedescendant"]) {
      for (const id of (one.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) found.push(`${name}=${id} names nothing: ${told(one)}`);
      }
    }
  }

  // Structure.
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown).map((one) => Number(one.tagName[1]));
  if (headings.filter((one) => one === 1).length !== 1) found.push(`${headings.filter((one) => one === 1).length} first headings`);
  headings.forEach((one, place) => {
    if (place && one > headings[place - 1] + 1) found.push(`a heading of level ${one} after one of ${headings[place - 1]}`);
  });
  for (const role of ["header", "main", "nav"]) if (!document.querySelector(role)) found.push(`no ${role}`);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  ids.forEach((id, place) => {
    if (ids.indexOf(id) !== place) found.push(`the id ${id} is there twice`);
  });
  for (const one of document.querySelectorAll("[tabindex]")) if (one.tabIndex > 0) found.push(`tabindex above 0: ${told(one)}`);
  for (const one of document.querySelectorAll("[onclick], [onload], [style], script:not([src]), style")) {
    if (!one.closest("svg") && one.matches("[onclick], [onload], script:not([src]), style")) found.push(`inline: ${told(one)}`);
  }

  // Nothing is wider than the window.
  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].find((one) => shown(one) && one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, .tabs, nav, .graph-box, .viewport, .tree"));
    found.push(`wider than the window: ${wide ? told(wide) : "?"}`);
  }
  // What is to be touched is large enough for a finger, or stands in a text.
  if (innerWidth <= 480) {
    for (const one of document.querySelectorAll("button, summary, .button")) {
      const box = one.getBoundingClientRect();
      if (shown(one) && Math.min(box.width, box.height) < 24) found.push(`too small to touch: ${told(one)}`);
    }
  }
  return found.slice(0, 25);
}
