// Light or dark at once; the server keeps the choice, as it does where there is no script.
export function switchThemes(): void {
  document.querySelector<HTMLFormElement>("form[data-theme-switch]")?.addEventListener("submit", (event) => {
    const form = event.currentTarget as HTMLFormElement;
    const field = form.elements.namedItem("theme");
    if (!(field instanceof HTMLInputElement)) return;
    event.preventDefault();
    const dark = isDark();
    field.value = dark ? "light" : "dark";
    document.documentElement.dataset["theme"] = field.value;
    document.dispatchEvent(new CustomEvent("theme"));
    const body = new URLSearchParams(entries(form));
    void fetch(form.action, { method: "POST", body, redirect: "manual", keepalive: true });
  });
}

export function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}

function entries(form: HTMLFormElement): [string, string][] {
  return [...new FormData(form)].flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : []));
}
