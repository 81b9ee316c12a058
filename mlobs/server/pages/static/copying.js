// Buttons that copy: what is in an element, or what an address answers.
async function text(button) {
  if (button.dataset.copyFrom) return document.getElementById(button.dataset.copyFrom).textContent;
  if (button.dataset.copyUrl) {
    const answer = await fetch(button.dataset.copyUrl);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.text();
  }
  return button.dataset.copy.replace("{origin}", location.origin);
}

async function copy(button) {
  const before = button.dataset.said ?? button.textContent;
  button.dataset.said = before;
  try {
    await navigator.clipboard.writeText(await text(button));
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => {
    button.textContent = before;
  }, 1500);
}

export function listen(within) {
  for (const button of within.querySelectorAll("[data-copy], [data-copy-from], [data-copy-url]")) {
    button.addEventListener("click", () => copy(button));
  }
}
