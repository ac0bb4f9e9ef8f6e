// Keys that work on every page; `?` shows them. Links say by data-key which letter goes there after `g`.
const PATIENCE = 1200;

export function listenForKeys(): void {
  let went = -Infinity;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open("palette");
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.timeStamp - went < PATIENCE) {
      went = -Infinity;
      document.querySelector<HTMLAnchorElement>(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
    } else if (event.key === "g") {
      went = event.timeStamp;
    } else if (event.key === "?") {
      open("keys");
    } else if (event.key === "/") {
      const field = document.querySelector<HTMLElement>("main form[role=search] :is(input:not([type=hidden]), query-box)");
      if (field === null) return;
      event.preventDefault();
      field.focus();
      if (field instanceof HTMLInputElement) field.select();
    }
  });
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-opens]")) {
    button.hidden = false;
    button.addEventListener("click", () => open(button.dataset["opens"] ?? ""));
  }
  const menu = document.querySelector<HTMLButtonElement>(".menu-button");
  if (menu === null) return;
  menu.hidden = false;
  menu.addEventListener("click", () => {
    menu.setAttribute("aria-expanded", String(menu.getAttribute("aria-expanded") !== "true"));
  });
}

function open(id: string): void {
  const dialog = document.getElementById(id);
  if (dialog instanceof HTMLDialogElement && !dialog.open && document.querySelector("dialog[open]") === null) {
    dialog.showModal();
  }
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea, code-editor, query-box, [contenteditable]") !== null;
}
