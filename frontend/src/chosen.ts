// A list of which some are chosen: all of the page at once, and choosing one says that those chosen are meant.
export function prepareChoosing(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-chooses]")) {
    const all = form.querySelector<HTMLInputElement>("input[data-all]");
    const boxes = [...form.querySelectorAll<HTMLInputElement>("input[name=of]")];
    if (all === null || boxes.length === 0) continue;
    all.hidden = false;
    all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
    form.addEventListener("change", (event) => {
      if (!(event.target instanceof HTMLInputElement) || event.target.type !== "checkbox") return;
      const chosen = boxes.filter((box) => box.checked).length;
      all.checked = chosen === boxes.length;
      all.indeterminate = chosen > 0 && !all.checked;
      const meant = form.querySelector<HTMLInputElement>("input[name=which][value=chosen]");
      if (meant !== null && chosen > 0) meant.checked = true;
    });
  }
}
