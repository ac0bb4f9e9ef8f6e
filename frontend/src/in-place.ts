// A form that shows what it finds below itself, without another page: it says how much that is.
export function showInPlace(): void {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { elt, xhr } = (event as CustomEvent<{ elt: Element; xhr: XMLHttpRequest }>).detail;
    // What is no such page, but one to log in, or of an error, is shown as what it is.
    if (!elt.hasAttribute("data-in-place") || xhr.responseText.includes('<div id="found">')) return;
    event.preventDefault();
    location.assign(xhr.responseURL);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const { requestConfig } = (event as CustomEvent<{ requestConfig: { elt: Element } }>).detail;
    const told = requestConfig.elt.querySelector(":scope > output");
    if (told === null || !requestConfig.elt.hasAttribute("data-in-place")) return;
    const rows = document.querySelectorAll("#found tbody tr").length;
    const more = document.querySelector("#found a[data-more]") !== null;
    told.textContent = `${rows}${more ? " and more" : ""} shown`;
  });
}
