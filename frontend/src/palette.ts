// The palette: what htmx finds while one types, chosen by arrows and Enter.
export function preparePalette(): void {
  const field = document.querySelector<HTMLInputElement>("#palette input");
  const list = document.getElementById("found");
  if (field === null || list === null) return;
  const links = (): HTMLAnchorElement[] => [...list.querySelectorAll<HTMLAnchorElement>("a")];
  const chosen = (): number => links().findIndex((link) => link.getAttribute("aria-selected") === "true");
  const choose = (place: number): void => {
    const all = links();
    all.forEach((link, at) => link.setAttribute("aria-selected", String(at === place)));
    const link = all[place];
    if (link === undefined) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", link.id);
      link.scrollIntoView({ block: "nearest" });
    }
  };
  let asked = "";
  let entered = false; // before what was typed last was answered
  const isBehind = (): boolean => list.getAttribute("aria-busy") === "true";
  const follow = (): void => links()[Math.max(chosen(), 0)]?.click();
  field.addEventListener("input", () => {
    entered = false;
    list.setAttribute("aria-busy", String(field.value !== asked));
  });
  field.addEventListener("htmx:beforeRequest", () => {
    asked = field.value;
  });
  list.addEventListener("htmx:afterSwap", () => {
    list.setAttribute("aria-busy", String(field.value !== asked));
    choose(0);
    if (entered && !isBehind()) follow();
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const count = links().length;
      if (count > 0) choose((chosen() + step + count) % count);
    } else if (event.key === "Enter") {
      event.preventDefault();
      entered = isBehind();
      if (!entered) follow();
    }
  });
}
