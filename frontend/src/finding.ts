// A document of many parts: what has the words that are sought is opened, and the rest is out of sight.
export function prepareFinding(): void {
  for (const field of document.querySelectorAll<HTMLInputElement>("input[data-finds]")) {
    const within = document.querySelector<HTMLElement>(field.dataset["finds"] ?? "");
    if (within !== null) field.addEventListener("input", () => show(within, field.value.trim().toLowerCase()));
  }
}

function show(within: HTMLElement, words: string): void {
  for (const part of within.querySelectorAll<HTMLElement>("[data-part]")) {
    const details = part.querySelector(":scope > details");
    const has = part.textContent.toLowerCase().includes(words);
    // What lies in a part that is found by its own name is shown, too.
    const of = part.parentElement?.closest<HTMLElement>("[data-part]");
    const named = of?.dataset["named"] === "true" || (words !== "" && (part.querySelector(":scope > b, :scope > details > summary")?.textContent ?? "").toLowerCase().includes(words));
    part.dataset["named"] = String(named);
    part.hidden = !has && !named;
    if (details instanceof HTMLDetailsElement) details.open = words !== "" && has;
  }
}
