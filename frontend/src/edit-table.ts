// <edit-table>: text with tabs in a text area, as a table of cells. The text area keeps what is sent.
import { parse, write, type Rows } from "./cells";

interface Column {
  name: string;
  label: string;
  choices: string[];
  proposed: string[];
}

type Cell = HTMLInputElement | HTMLSelectElement;

class EditTable extends HTMLElement {
  private columns: Column[] = [];
  private area: HTMLTextAreaElement | null = null;
  private readonly body = document.createElement("tbody");

  connectedCallback(): void {
    this.area = this.querySelector("textarea");
    if (this.area === null || this.body.isConnected) return;
    this.columns = JSON.parse(this.dataset["columns"] ?? "[]") as Column[];
    const [names = [], ...rows] = parse(this.area.value);
    this.area.hidden = true;
    this.append(this.table(), this.lists(), ...(this.area.readOnly ? [] : [this.tools()]));
    for (const row of this.ordered(names, rows)) this.add(row);
    if (rows.length === 0 && !this.area.readOnly) this.add([]);
    this.tellWrong();
    this.body.addEventListener("input", () => this.keep());
    this.body.addEventListener("paste", (event) => this.pasted(event));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
    this.dataset["state"] = "ready";
  }

  private table(): HTMLElement {
    const region = document.createElement("div");
    region.className = "table";
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", this.area?.labels[0]?.textContent?.trim() ?? "Table");
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const { label } of this.columns) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = label;
      head.append(cell);
    }
    if (this.area?.readOnly === false) head.append(document.createElement("td"));
    table.append(this.body);
    region.append(table);
    return region;
  }

  // What is proposed for a column, once for all its cells.
  private lists(): DocumentFragment {
    const all = document.createDocumentFragment();
    for (const column of this.columns.filter((one) => one.proposed.length > 0)) {
      const list = document.createElement("datalist");
      list.id = this.listOf(column);
      list.append(...column.proposed.map((one) => new Option(one, one)));
      all.append(list);
    }
    return all;
  }

  private listOf(column: Column): string {
    return `${this.area?.name ?? ""}-${column.name}`;
  }

  private tools(): HTMLElement {
    const bar = document.createElement("div");
    bar.className = "tools";
    const more = this.button("Add a row", () => this.add([]).querySelector<Cell>("input, select")?.focus());
    const copy = this.button("Copy the table", () => void navigator.clipboard.writeText(this.area?.value ?? ""));
    bar.append(more, ...(navigator.clipboard === undefined ? [] : [copy]));
    return bar;
  }

  private button(text: string, act: () => void): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", act);
    return button;
  }

  // The cells of rows in the order of the columns.
  private ordered(names: string[], rows: Rows): Rows {
    return rows.map((row) => this.columns.map(({ name }) => row[names.indexOf(name)] ?? ""));
  }

  private add(values: string[]): HTMLTableRowElement {
    const row = this.body.insertRow();
    this.columns.forEach((column, at) => row.insertCell().append(this.cell(column, values[at] ?? "")));
    if (this.area?.readOnly === false) {
      const remove = this.button("×", () => {
        (row.nextElementSibling ?? row.previousElementSibling)?.querySelector<Cell>("input, select")?.focus();
        row.remove();
        this.keep();
      });
      row.insertCell().append(remove);
    }
    this.number();
    return row;
  }

  private cell(column: Column, value: string): Cell {
    let cell: Cell;
    if (column.choices.length > 0) {
      cell = document.createElement("select");
      const choices = column.choices.includes(value) || value === "" ? column.choices : [...column.choices, value];
      cell.append(...choices.map((one) => new Option(one === "" ? "as usual" : one, one)));
      cell.value = choices.includes(value) ? value : choices[0]!;
    } else {
      cell = document.createElement("input");
      cell.value = value;
      cell.autocomplete = "off";
      if (column.proposed.length > 0) cell.setAttribute("list", this.listOf(column));
    }
    cell.disabled = this.area?.readOnly ?? false;
    return cell;
  }

  private set(cell: Cell, value: string): void {
    if (cell instanceof HTMLSelectElement && ![...cell.options].some((one) => one.value === value)) cell.append(new Option(value, value));
    cell.value = value;
  }

  private cells(row: Element): Cell[] {
    return [...row.querySelectorAll<Cell>("input, select")];
  }

  private number(): void {
    [...this.body.rows].forEach((row, at) => {
      this.cells(row).forEach((cell, column) => cell.setAttribute("aria-label", `${this.columns[column]!.label}, row ${at + 1}`));
      row.querySelector("button")?.setAttribute("aria-label", `Take out row ${at + 1}`);
    });
  }

  private keep(): void {
    this.number();
    const rows = [...this.body.rows].map((row) => this.cells(row).map((cell) => cell.value));
    const filled = rows.filter((row) => row.some((value, at) => value !== "" && this.columns[at]!.choices.length === 0));
    this.area!.value = write([this.columns.map((one) => one.name), ...filled]);
    this.area!.dispatchEvent(new Event("input", { bubbles: true }));
  }

  private place(target: EventTarget | null): [number, number] | null {
    const row = target instanceof Element ? target.closest("tr") : null;
    return row === null ? null : [row.sectionRowIndex, this.cells(row).indexOf(target as Cell)];
  }

  // A block of cells goes where one is, and below; names above it say which columns it is of.
  private pasted(event: ClipboardEvent): void {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const place = this.place(event.target);
    if (place === null || !/[\t\n]/.test(text.trimEnd())) return;
    event.preventDefault();
    const block = parse(text);
    const [first, left] = place;
    const named = block[0]?.map((one) => this.columns.findIndex(({ name, label }) => [name, label.toLowerCase()].includes(one.trim().toLowerCase())));
    const isNamed = named !== undefined && named.every((at) => at >= 0);
    const columns = isNamed ? named : this.columns.map((_, at) => left + at);
    (isNamed ? block.slice(1) : block).forEach((values, down) => {
      const row = this.body.rows[first + down] ?? this.add([]);
      const cells = this.cells(row);
      values.forEach((value, at) => {
        const cell = cells[columns[at] ?? -1];
        if (cell !== undefined) this.set(cell, value.trim());
      });
    });
    this.keep();
  }

  private pressed(event: KeyboardEvent): void {
    const place = this.place(event.target);
    if (place === null || place[1] < 0) return;
    const [row, column] = place;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && event.target instanceof HTMLInputElement && !event.target.hasAttribute("list")) {
      const next = this.body.rows[row + step];
      if (next !== undefined) this.cells(next)[column]?.focus();
      event.preventDefault();
    } else if (event.key === "d" && (event.ctrlKey || event.metaKey)) {
      const above = this.body.rows[row - 1];
      if (above !== undefined) this.set(event.target as Cell, this.cells(above)[column]!.value);
      event.preventDefault();
      this.keep();
    } else if (event.key === "Enter") {
      event.preventDefault(); // does not send the form
      this.cells(this.body.rows[row + 1] ?? this.add([]))[column]?.focus();
    }
  }

  private tellWrong(): void {
    const wrong = JSON.parse(this.dataset["wrong"] ?? "{}") as Record<string, string>;
    for (const [where, why] of Object.entries(wrong)) {
      const [row = "", name = ""] = where.split(".");
      const at = Math.max(0, this.columns.findIndex((one) => one.name === name));
      const found = this.body.rows[Number(row)];
      const cell = found === undefined ? undefined : this.cells(found)[at];
      cell?.setAttribute("aria-invalid", "true");
      if (cell !== undefined) cell.title = why;
    }
  }
}

customElements.define("edit-table", EditTable);
