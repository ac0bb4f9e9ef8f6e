// <series-plot>: many series on two axes. The server makes the extremes of each pixel, again whenever the view changes.
import uPlot from "uplot";

import { columns, fetchEnvelope, Refused } from "./envelopes";
import type { Envelope } from "./interface";
import { instant, moved, tell, tellSeen, zoomed, type View } from "./view";

// What one line shows, as the server tells it: a series, now or in the earlier period.
interface Line {
  id: string;
  name: string;
  unit: string;
  right: boolean;
  colour: number;
  earlier: boolean;
  envelope: string; // where its extremes are had of the view that the page opens with
}

const HEIGHT = 380;
const COLOURS = 8;
// How far apart marks are, in seconds; how they are written; and what is added where a day, or a year, is another.
const DAY = "\n{YYYY}-{MM}-{DD}";
const TIMES = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2419200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", DAY, null, DAY, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DAY, null, DAY, null, null, null, 1],
  [0.001, "{HH}:{mm}:{ss}.{fff}", DAY, null, DAY, null, null, null, 1],
] as uPlot.Axis.Values;
const PATIENCE = 60; // milliseconds after a step of a wheel or a key in which further ones are one

class SeriesPlot extends HTMLElement {
  private lines: Line[] = [];
  private whole: View = { from: 0, to: 1 };
  private view: View = { from: 0, to: 1 };
  private envelopes: Envelope[] = [];
  private pinned: number | null = null;
  private plot: uPlot | null = null;
  private asked = new AbortController();
  private timer = 0;
  private readonly canvas = document.createElement("div");
  private readonly values = document.createElement("ul");
  private readonly told = document.createElement("span");
  private readonly sizes = new ResizeObserver(() => this.fit());
  private readonly repaint = (): void => this.draw();

  connectedCallback(): void {
    this.lines = JSON.parse(this.dataset["lines"] ?? "[]") as Line[];
    this.whole = { from: Number(this.dataset["first"]), to: Number(this.dataset["last"]) + 1 };
    this.view = { from: Number(this.dataset["from"] ?? this.whole.from), to: Number(this.dataset["to"] ?? this.whole.to) };
    this.tabIndex = 0;
    this.values.className = "legend";
    this.told.className = "told";
    this.told.setAttribute("role", "status");
    this.replaceChildren(this.tools(), this.canvas, this.values);
    this.addEventListener("keydown", (event) => this.pressed(event));
    this.canvas.addEventListener("wheel", (event) => this.turned(event), { passive: false });
    this.sizes.observe(this);
    document.addEventListener("theme", this.repaint);
    void this.open();
  }

  disconnectedCallback(): void {
    this.asked.abort();
    this.sizes.disconnect();
    document.removeEventListener("theme", this.repaint);
    this.plot?.destroy();
    this.plot = null;
  }

  private tools(): HTMLElement {
    const bar = document.createElement("div");
    bar.className = "tools";
    const steps: [string, string, () => void][] = [
      ["←", "Earlier", () => this.look(moved(this.view, -0.5))],
      ["→", "Later", () => this.look(moved(this.view, 0.5))],
      ["+", "Zoom in", () => this.look(zoomed(this.view, 0.5))],
      ["−", "Zoom out", () => this.look(zoomed(this.view, 2))],
      ["Whole", "Whole: show all of it", () => this.look(this.whole)],
    ];
    for (const [text, title, act] of steps) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.title = title;
      button.setAttribute("aria-label", title);
      button.addEventListener("click", act);
      bar.append(button);
    }
    bar.append(this.told);
    return bar;
  }

  private pressed(event: KeyboardEvent): void {
    if (event.target !== this || event.ctrlKey || event.metaKey || event.altKey) return;
    const views: Record<string, () => View> = {
      ArrowLeft: () => moved(this.view, -0.25),
      ArrowRight: () => moved(this.view, 0.25),
      "+": () => zoomed(this.view, 0.5),
      "-": () => zoomed(this.view, 2),
      "0": () => this.whole,
    };
    const next = views[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.look(next());
  }

  private turned(event: WheelEvent): void {
    if (!event.ctrlKey || this.plot === null) return;
    event.preventDefault();
    const box = this.plot.over.getBoundingClientRect();
    this.look(zoomed(this.view, event.deltaY > 0 ? 1.5 : 1 / 1.5, (event.clientX - box.left) / box.width));
  }

  // The first step is shown at once, and those that come soon after it together.
  private look(view: View): void {
    this.view = view;
    if (this.timer !== 0) return;
    void this.load();
    tell(view === this.whole ? null : view);
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      if (this.view !== view) this.look(this.view);
    }, PATIENCE);
  }

  // The page has asked for this view already. Only where the plot is wider than that is it asked for again.
  private async open(): Promise<void> {
    await this.fetch(this.lines.map((one) => one.envelope));
    const pixels = Number(address(this.lines[0]!.envelope).searchParams.get("pixels"));
    if (this.width() > pixels && this.envelopes.some((one) => !one.exact)) void this.load();
  }

  private async load(): Promise<void> {
    const pixels = Math.max(100, Math.round(this.width()));
    const asked = Object.entries({ from: this.view.from, to: this.view.to, pixels });
    const addresses = this.lines.map((one) => {
      const found = address(one.envelope);
      for (const [name, value] of asked) found.searchParams.set(name, String(value));
      return found.href;
    });
    await this.fetch(addresses);
  }

  // What else shows these points is told once they are painted, so that it does not hold that up.
  private async fetch(addresses: string[]): Promise<void> {
    this.asked.abort();
    this.asked = new AbortController();
    const signal = this.asked.signal;
    this.dataset["state"] = "busy";
    try {
      this.envelopes = await Promise.all(addresses.map((one) => fetchEnvelope(one, signal)));
      this.draw();
      const count = this.envelopes.reduce((sum, one) => sum + one.count, 0);
      this.dataset["count"] = String(count);
      this.say(count === 0 ? "No points here." : `${count.toLocaleString("en")} points`);
      this.dataset["state"] = "ready";
    } catch (error) {
      if (signal.aborted) return;
      this.say(error instanceof Refused ? error.message : "The server cannot be reached.");
      this.dataset["state"] = "refused";
    }
    if (document.readyState !== "complete") await new Promise((loaded) => window.addEventListener("load", loaded, { once: true }));
    requestAnimationFrame(() => requestAnimationFrame(() => signal.aborted || tellSeen()));
  }

  private say(text: string): void {
    this.told.textContent = text;
  }

  private width(): number {
    return this.canvas.clientWidth || this.clientWidth || 600;
  }

  private fit(): void {
    if (this.plot !== null && Math.abs(this.plot.width - this.width()) > 1) {
      this.plot.setSize({ width: this.width(), height: HEIGHT });
    }
  }

  private draw(): void {
    this.plot?.destroy();
    this.pinned = null;
    this.canvas.replaceChildren();
    this.plot = new uPlot(this.options(), columns(this.envelopes), this.canvas);
    this.value(null);
  }

  private options(): uPlot.Options {
    const colours = this.lines.map((one) => this.colour(token(one)));
    const lines = this.lines.flatMap((one, at): uPlot.Series[] => {
      const dotted = (this.envelopes[at]?.exact ?? false) && (this.envelopes[at]?.count ?? 0) < this.width() / 8;
      const line: uPlot.Series = {
        label: one.name,
        scale: one.right ? "right" : "left",
        stroke: colours[at]!,
        width: 1.3,
        ...(one.earlier ? { dash: [5, 4], alpha: 0.75 } : {}),
        points: { show: dotted, size: 5 },
      };
      return [line, { ...line }];
    });
    const [ink, grid] = [this.colour("--quiet"), this.colour("--line")];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const labelled = (right: boolean): string =>
      [...new Set(this.lines.filter((one) => one.right === right && one.unit).map((one) => one.unit))].join(", ");
    const axes: uPlot.Axis[] = [{ ...axis, values: TIMES }, { ...axis, scale: "left", label: labelled(false), size: 64 }];
    const scales: uPlot.Scales = { x: { time: true, range: () => [this.view.from / 1e6, this.view.to / 1e6] }, left: {} };
    if (this.lines.some((one) => one.right)) {
      axes.push({ ...axis, scale: "right", side: 1, label: labelled(true), size: 64, grid: { show: false } });
      scales["right"] = {};
    }
    return {
      width: this.width(),
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), this.dataset["zone"] ?? "UTC"),
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => (this.look(this.whole), null) } },
      scales,
      axes,
      series: [{}, ...lines],
      bands: this.lines.map((_, at) => ({ series: [2 * at + 2, 2 * at + 1], fill: faint(colours[at]!, this.lines[at]!.earlier ? 0.15 : 0.35) })),
      hooks: {
        setSelect: [(plot): void => this.selected(plot)],
        setCursor: [(plot): void => this.value(this.pinned ?? plot.cursor.idx ?? null)],
        ready: [(plot): void => plot.over.addEventListener("click", () => this.pin(plot.cursor.idx ?? null))],
      },
    };
  }

  private selected(plot: uPlot): void {
    if (plot.select.width < 3) return;
    const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => Math.round(plot.posToVal(x, "x") * 1e6));
    if (from !== undefined && to !== undefined && to > from) this.look({ from, to });
  }

  // Which series has which colour, and what it is under the pointer.
  private value(index: number | null): void {
    const data = this.plot?.data;
    const items = this.lines.map((one, at) => {
      const [low, high] = [2 * at + 1, 2 * at + 2].map((column) => (index === null ? undefined : data?.[column]?.[index]));
      const item = document.createElement("li");
      const mark = document.createElement("span");
      mark.textContent = one.earlier ? "□ " : "■ ";
      mark.style.color = `var(${token(one)})`;
      const shown = low == null || high == null ? "" : low === high ? `: ${round(low)}` : `: ${round(low)} to ${round(high)}`;
      const origin = this.pinned === null || !shown ? "" : this.origin(one, data?.[0][this.pinned], this.envelopes[at]?.offset ?? 0);
      item.append(mark, `${one.name}${one.right ? " (right)" : ""}${shown}${shown && one.unit ? ` ${one.unit}` : ""}`, origin);
      return item;
    });
    this.values.replaceChildren(...items);
  }

  // A click holds what is told until the next one.
  private pin(index: number | null): void {
    this.pinned = this.pinned === index ? null : index;
    this.value(index);
  }

  private origin(one: Line, seconds: number | undefined, offset: number): HTMLAnchorElement {
    const link = document.createElement("a");
    const asked = { kind: "series", id: one.id, at: instant(Math.round((seconds ?? 0) * 1e6) - offset) };
    link.href = `/console/lineage?${new URLSearchParams(asked)}`;
    link.textContent = " where it comes from";
    return link;
  }

  private colour(token: string): string {
    const probe = document.createElement("span");
    probe.style.color = `var(${token})`;
    this.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }
}

// The styles' colour of a line.
function token(line: Line): string {
  return `--line-${(line.colour % COLOURS) + 1}`;
}

function address(text: string): URL {
  return new URL(text, location.href);
}

function faint(colour: string, share: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);
}

function round(value: number): string {
  return Number(value.toPrecision(6)).toString();
}

customElements.define("series-plot", SeriesPlot);
