// How editors look: in the colours of the page.
import { HighlightStyle } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export const LOOK = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--paper)", border: "1px solid var(--line)", borderRadius: "var(--round)", fontSize: "0.85rem" },
  "&.cm-focused": { outline: "2px solid var(--link)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--code)", lineHeight: "1.5", overflow: "auto", maxHeight: "34rem", minHeight: "var(--least, 6rem)" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { color: "var(--quiet)", backgroundColor: "var(--raised)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--raised)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection": { backgroundColor: "color-mix(in srgb, var(--link) 30%, transparent) !important" },
  ".cm-tooltip, .cm-panels": { color: "var(--ink)", backgroundColor: "var(--raised)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { color: "var(--on-link)", backgroundColor: "var(--link)" },
  ".cm-wrong-part": { backgroundColor: "var(--bad-paper)", borderBottom: "2px solid var(--bad)" },
  ".cm-wrong-line": { backgroundColor: "var(--bad-paper)", boxShadow: "inset 3px 0 var(--bad)" },
});
export const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.bool, tags.null], color: "var(--line-4)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--line-3)" },
  { tag: tags.number, color: "var(--line-2)" },
  { tag: [tags.comment, tags.docComment], color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], color: "var(--link)" },
]);
