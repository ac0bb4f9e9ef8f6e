// <query-box>: a text area with a query of MongoDB in it, as an editor: fields and operators complete, what the query costs
// is told before it runs, and what is wrong is marked at its place. The text area keeps what is sent.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, type Completion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, insertNewline } from "@codemirror/commands";
import { bracketMatching, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec, StateEffect, StateField, type Extension } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, keymap } from "@codemirror/view";

import { COLOURS, LOOK } from "./editor-look";
import { placeOf, type Place } from "./query-place";

interface Known {
  fields: string[];
  operators: { above: string[]; below: string[] };
  values: Record<string, string[]>;
}

interface Cost {
  said: string;
  refusal: string;
  wrong: string;
  place: number | null;
}

const PATIENCE = 300; // milliseconds without a key, after which it is asked what the query costs
const JSON_WORDS = StreamLanguage.define<null>({
  startState: () => null,
  token(stream) {
    if (stream.match(/^"(?:[^"\\]|\\.)*"(?=\s*:)/)) return "keyword";
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.match(/^-?\d[\d.eE+-]*/)) return "number";
    if (stream.match(/^(?:true|false|null)\b/)) return "bool";
    stream.next();
    return null;
  },
});
const markPart = StateEffect.define<{ from: number; to: number } | null>();
const wrongPart = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marked, change) {
    for (const effect of change.effects) {
      if (!effect.is(markPart)) continue;
      return effect.value === null ? Decoration.none : Decoration.set(Decoration.mark({ class: "cm-wrong-part" }).range(effect.value.from, effect.value.to));
    }
    return change.docChanged ? Decoration.none : marked;
  },
  provide: (field) => EditorView.decorations.from(field),
});

class QueryBox extends HTMLElement {
  private view: EditorView | null = null;
  private area: HTMLTextAreaElement | null = null;
  private known: Promise<Known | null> | null = null;
  private asked = new AbortController();
  private timer = 0;

  connectedCallback(): void {
    const area = this.querySelector("textarea");
    if (area === null || this.shadowRoot !== null) return;
    this.area = area;
    const root = this.attachShadow({ mode: "open" });
    this.style.setProperty("--least", "2.6rem");
    this.view = new EditorView({ parent: root, root, state: EditorState.create({ doc: area.value, extensions: this.extensions(area) }) });
    area.labels[0]?.addEventListener("click", () => this.view?.focus());
    this.where()?.addEventListener("change", () => {
      this.known = null;
      void this.tell();
    });
    void this.tell();
    this.dataset["state"] = "ready";
  }

  disconnectedCallback(): void {
    this.asked.abort();
    this.view?.destroy();
  }

  override focus(): void {
    this.view?.focus();
  }

  private extensions(area: HTMLTextAreaElement): Extension[] {
    const mirrored = EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      area.value = update.state.doc.toString();
      area.dispatchEvent(new Event("input", { bubbles: true }));
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.tell(), PATIENCE);
    });
    const submits = Prec.high(
      keymap.of([
        { key: "Tab", run: (view) => completionStatus(view.state) === "active" && acceptCompletion(view) },
        { key: "Enter", run: (view) => completionStatus(view.state) !== "active" && this.submit() },
        { key: "Shift-Enter", run: insertNewline },
      ]),
    );
    const said = `${area.labels[0]?.textContent?.trim() ?? "Query"}. Control and Space complete, Enter asks.`;
    return [
      [history(), closeBrackets(), autocompletion({ override: [(context) => this.complete(context)], icons: false }), wrongPart, mirrored],
      [bracketMatching(), JSON_WORDS, syntaxHighlighting(COLOURS), LOOK, EditorView.lineWrapping, submits],
      EditorView.contentAttributes.of({ "aria-label": said, "aria-describedby": "cost", spellcheck: "false" }),
      keymap.of([...closeBracketsKeymap, ...historyKeymap, ...completionKeymap, ...defaultKeymap]),
    ];
  }

  private submit(): boolean {
    this.closest("form")?.requestSubmit();
    return true;
  }

  private where(): HTMLSelectElement | null {
    return this.closest("form")?.querySelector<HTMLSelectElement>("select[name=where]") ?? null;
  }

  private async fetched<Answer>(what: string, fields: Record<string, string>, signal?: AbortSignal): Promise<Answer | null> {
    const asked = new URLSearchParams({ where: this.where()?.value ?? "queue", ...fields });
    const options = signal === undefined ? {} : { signal };
    const answer = await fetch(`${this.dataset["asks"] ?? ""}/${what}?${asked}`, options).catch(() => null);
    return answer?.ok ? ((await answer.json()) as Answer) : null;
  }

  // What the query costs, or what is wrong with it, and where.
  private async tell(): Promise<void> {
    this.asked.abort();
    this.asked = new AbortController();
    const text = this.area?.value ?? "";
    const cost = await this.fetched<Cost>("cost", { query: text }, this.asked.signal);
    if (cost === null || this.view === null || text !== this.area?.value) return;
    const told = document.getElementById("cost");
    if (told !== null) {
      told.textContent = cost.refusal || cost.said;
      told.className = cost.refusal ? "wrong" : "hint";
    }
    this.dataset["told"] = cost.refusal ? "refused" : "answered";
    const written = JSON.stringify(cost.wrong);
    const at = cost.place !== null ? cost.place + (text.length - text.trimStart().length) : cost.wrong ? text.indexOf(written) : -1;
    const length = cost.place !== null ? 1 : written.length;
    const end = text.length;
    const from = Math.min(Math.max(at, 0), Math.max(end - 1, 0));
    const marks = cost.refusal !== "" && at >= 0 && end > 0;
    this.view.dispatch({ effects: markPart.of(marks ? { from, to: Math.min(from + length, end) } : null) });
  }

  private async complete(context: CompletionContext): Promise<CompletionResult | null> {
    const place = placeOf(context.state.doc.sliceString(0, context.pos));
    if (place === null || (!context.explicit && place.typed === "" && !place.isQuoted)) return null;
    this.known ??= this.fetched<Known>("fields", {});
    const known = await this.known;
    if (known === null || context.aborted) return null;
    const options = proposed(place, known);
    return options.length === 0 ? null : { from: context.pos - place.typed.length, options, validFor: /^[\w.$-]*$/ };
  }
}

function proposed(place: Place, known: Known): Completion[] {
  const option = (type: string, boost: number) => (label: string): Completion => ({ label, type, boost, apply: applied(place) });
  if (!place.isKey) return place.field === null ? [] : (known.values[place.field] ?? []).map(option("value", 0));
  if (place.field !== null) return known.operators.below.map(option("operator", 0));
  // Those that all works have come first, as the server tells them.
  const fields = known.fields.map((label, at) => option("field", Math.max(1, 90 - at))(label));
  return [...fields, ...known.operators.above.map(option("operator", 0))];
}

function applied(place: Place) {
  return (view: EditorView, completion: Completion, from: number, to: number): void => {
    const after = view.state.sliceDoc(to, to + 1);
    const end = place.isQuoted && after === '"' ? to + 1 : to;
    const colon = place.isKey && !/^\s*:/.test(view.state.sliceDoc(end, end + 20)) ? ": " : "";
    const text = `${place.isQuoted ? "" : '"'}${completion.label}"${colon}`;
    view.dispatch({ changes: { from, to: end, insert: text }, selection: { anchor: from + text.length }, userEvent: "input.complete" });
  };
}

customElements.define("query-box", QueryBox);
