// What is asked for again and again stays as it is while somebody is in it: at work with the keys, or selecting text.
export function guardLiveParts(): void {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target } = (event as CustomEvent<{ elt: Element; target: Element }>).detail;
    if (!elt.hasAttribute("data-live")) return;
    const selection = getSelection();
    const selects = selection !== null && !selection.isCollapsed && target.contains(selection.anchorNode);
    if (selects || target.contains(document.activeElement) || document.hidden) event.preventDefault();
  });
}
