// From when to when one looks: kept in the address, and in the links that lead to the same part.
export interface View {
  from: number;
  to: number;
}

const SHORTEST = 1000; // microseconds

export function moved(view: View, share: number): View {
  const by = Math.round((view.to - view.from) * share);
  return { from: view.from + by, to: view.to + by };
}

export function zoomed(view: View, factor: number, around = 0.5): View {
  const length = Math.max(SHORTEST, Math.round((view.to - view.from) * factor));
  const from = Math.round(view.from + (view.to - view.from - length) * around);
  return { from, to: from + length };
}

export function tell(view: View | null): void {
  const said = view === null ? null : { from: instant(view.from), to: instant(view.to) };
  const address = new URL(location.href);
  change(address, said);
  history.replaceState(history.state, "", address);
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-view]")) {
    const target = new URL(link.href);
    change(target, said);
    link.href = target.href;
  }
  for (const field of document.querySelectorAll<HTMLInputElement>("input[data-view]")) {
    field.value = said?.[field.name as "from" | "to"] ?? "";
    field.disabled = said === null;
  }
}

// What shows the same points otherwise, such as the table below a plot, asks for them anew.
export function tellSeen(): void {
  document.body.dispatchEvent(new CustomEvent("view"));
}

function change(address: URL, said: Record<"from" | "to", string> | null): void {
  for (const name of ["from", "to"] as const) {
    if (said === null) address.searchParams.delete(name);
    else address.searchParams.set(name, said[name]);
  }
}

export function instant(microseconds: number): string {
  const whole = Math.floor(microseconds / 1e6);
  const rest = microseconds - whole * 1e6;
  const text = new Date(whole * 1000).toISOString().replace(".000Z", "");
  return rest === 0 ? `${text}Z` : `${text}.${String(rest).padStart(6, "0")}Z`;
}
