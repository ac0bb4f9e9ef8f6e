// Text with tabs, as spreadsheets copy and paste it: cells with tabs, quotes or line ends in them stand in quotes.
export type Rows = string[][];

export function parse(text: string): Rows {
  const rows: Rows = [[]];
  let cell = "";
  let quoted = false;
  const end = (): void => {
    rows.at(-1)!.push(cell);
    cell = "";
  };
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!;
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[++at]!;
      else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === "\t") end();
    else if (sign === "\n") {
      end();
      rows.push([]);
    } else if (sign !== "\r") cell += sign;
  }
  end();
  return rows.filter((row) => row.some((one) => one !== ""));
}

export function write(rows: Rows): string {
  return rows.map((row) => row.map(quote).join("\t")).join("\n") + "\n";
}

function quote(cell: string): string {
  return /[\t\n\r"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
