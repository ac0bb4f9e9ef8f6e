// <code-editor>: a text area with Python in it, as an editor. The text area keeps what is sent, and what is read without scripts.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, Prec, StateEffect, StateField, type Extension } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";

import { COLOURS, LOOK } from "./editor-look";

const markLine = StateEffect.define<number | null>();
const wrongLine = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marked, change) {
    for (const effect of change.effects) {
      if (!effect.is(markLine)) continue;
      if (effect.value === null || effect.value < 1 || effect.value > change.state.doc.lines) return Decoration.none;
      return Decoration.set(Decoration.line({ class: "cm-wrong-line" }).range(change.state.doc.line(effect.value).from));
    }
    return change.docChanged ? Decoration.none : marked;
  },
  provide: (field) => EditorView.decorations.from(field),
});

// After Escape the next Tab leaves, at whatever pace: the editor's own rule gives two seconds, and none where Escape closes a list.
const LEAVING = Prec.highest(
  EditorView.domEventHandlers({
    keydown(event, view) {
      if (event.key === "Escape") view.setTabFocusMode(true);
      else if (!["Tab", "Shift", "Control", "Alt", "Meta"].includes(event.key)) view.setTabFocusMode(false);
      return false;
    },
    blur(_, view) {
      view.setTabFocusMode(false);
      return false;
    },
  }),
);

class CodeEditor extends HTMLElement {
  private view: EditorView | null = null;
  private readonly answered = (): void => this.mark();

  connectedCallback(): void {
    const area = this.querySelector("textarea");
    if (area === null || this.shadowRoot !== null) return;
    const label = area.labels[0]?.textContent?.trim() ?? "Script";
    // In a shadow root, styles are adopted as objects, which the page's policy lets pass; in the page, they would be elements.
    const root = this.attachShadow({ mode: "open" });
    this.style.setProperty("--least", `${Math.min(area.rows, 24) * 1.25}rem`);
    this.view = new EditorView({
      parent: root,
      root,
      state: EditorState.create({ doc: area.value, extensions: this.extensions(area, label) }),
    });
    area.labels[0]?.addEventListener("click", () => this.view?.focus());
    document.addEventListener("htmx:afterSwap", this.answered);
    this.dataset["state"] = "ready";
  }

  disconnectedCallback(): void {
    document.removeEventListener("htmx:afterSwap", this.answered);
    this.view?.destroy();
  }

  override focus(): void {
    this.view?.focus();
  }

  private extensions(area: HTMLTextAreaElement, label: string): Extension[] {
    const mirrored = EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      area.value = update.state.doc.toString();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    });
    const said = area.readOnly ? label : `${label}. Tab indents; Escape, then Tab leaves.`;
    return [
      LEAVING,
      area.readOnly ? [EditorState.readOnly.of(true)] : [history(), closeBrackets(), autocompletion(), indentOnInput(), highlightActiveLine()],
      [lineNumbers(), bracketMatching(), highlightSelectionMatches(), wrongLine, mirrored],
      [indentUnit.of("    "), python(), syntaxHighlighting(COLOURS), LOOK, EditorView.lineWrapping],
      EditorView.contentAttributes.of({ "aria-label": said, spellcheck: "false" }),
      keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, indentWithTab]),
    ];
  }

  // Which line raised is told by what a trial answered.
  private mark(): void {
    const told = this.closest("form")?.querySelector<HTMLElement>("[data-wrong-line]");
    const line = told?.dataset["wrongLine"];
    this.view?.dispatch({ effects: markLine.of(line === undefined ? null : Number(line)) });
  }
}

customElements.define("code-editor", CodeEditor);
