// What this browser keeps of its reader's choices. Nothing of it is needed.
export function kept(name, otherwise) {
  try {
    const text = localStorage.getItem(`mlobs.${name}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`mlobs.${name}`, JSON.stringify(value));
  } catch {
    // Full, or forbidden: the choice holds for this page.
  }
}
