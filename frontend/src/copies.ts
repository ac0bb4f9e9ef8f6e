// Buttons that copy what a field holds, such as a token that is shown once.
export function prepareCopies(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    const field = document.getElementById(button.dataset["copy"] ?? "");
    if (!(field instanceof HTMLInputElement)) continue;
    field.addEventListener("focus", () => field.select());
    if (field.autofocus) {
      field.focus();
      field.select(); // it may have been there already
    }
    button.hidden = false;
    button.addEventListener("click", () => {
      field.select();
      void navigator.clipboard.writeText(field.value).then(() => (button.textContent = "Copied"), () => undefined);
    });
  }
}
