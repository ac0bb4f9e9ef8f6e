// The export basket: ids of series, of any projects, kept by this browser for its user.
const KEPT = "entrepot-basket";
const MOST = 300; // what an address takes

function ids(): string[] {
  return (localStorage.getItem(KEPT) ?? "").split(" ").filter((one) => one !== "");
}

function keep(all: string[]): void {
  localStorage.setItem(KEPT, [...new Set(all)].slice(-MOST).join(" "));
}

export function prepareBasket(): void {
  const link = document.querySelector<HTMLAnchorElement>("a[data-basket-link]");
  const button = document.querySelector<HTMLButtonElement>("button[data-basket]");
  if (button !== null && link !== null) {
    const tell = (): void => {
      const count = ids().length;
      if (count === 0) return;
      link.textContent = `Basket: ${count.toLocaleString("en")} series`;
      link.href = address();
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      keep([...ids(), ...(button.dataset["basket"] ?? "").split(" ")]);
      tell();
    });
    tell();
  }
  for (const remove of document.querySelectorAll<HTMLButtonElement>("button[data-basket-remove]")) {
    remove.addEventListener("click", () => {
      const gone = remove.dataset["basketRemove"];
      const shown = new URL(location.href).searchParams.getAll("series");
      keep((shown.length > 0 ? shown : ids()).filter((one) => one !== gone));
      location.assign(address());
    });
  }
}

function address(): string {
  return `/console/basket?${new URLSearchParams(ids().map((one) => ["series", one]))}`;
}
