// What was typed and not saved is not lost by leaving: the browser asks before.
export function guardForms(): void {
  let changed = false;
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-keeps]")) {
    if (form.querySelector(".refusal, .wrong") !== null || document.querySelector("main > .refusal") !== null) changed = true;
    form.addEventListener("input", () => (changed = true));
    form.addEventListener("submit", () => (changed = false));
  }
  window.addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}
