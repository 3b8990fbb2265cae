/** CodeMirror as a React component. Loaded on demand: `ui/code.tsx`. */

import {
  autocompletion,
  type CompletionSource,
  closeBrackets,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  syntaxHighlighting,
} from "@codemirror/language";
import { linter, lintKeymap } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { clsx } from "clsx";
import { useEffect, useRef } from "react";
import { flushSync } from "react-dom";

export interface EditorProps {
  value: string;
  onChange?: (value: string) => void;
  language?: "json" | "sql" | "text";
  /** Says what is edited, to assistive technology. */
  label: string;
  readOnly?: boolean;
  placeholder?: string;
  /** Offers completions beside the language's own. */
  complete?: CompletionSource | undefined;
  /** Mod-Enter. */
  onSubmit?: () => void;
  /** A single line: Enter submits. */
  singleLine?: boolean;
  /** Marks JSON that does not parse; off where the text is more than JSON. */
  lint?: boolean;
  className?: string;
}

const THEME = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--text)", fontSize: "12.5px", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-content": { fontFamily: "var(--font-mono)", caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--text-muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in srgb, var(--surface-300) 45%, transparent)",
  },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--brand) 28%, transparent) !important",
  },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-tooltip, .cm-panels": {
    backgroundColor: "var(--overlay)",
    color: "var(--text)",
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--surface-300)",
    color: "var(--text)",
  },
  ".cm-placeholder": { color: "var(--text-muted)" },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--info)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--brand-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warning)" },
  { tag: [tags.keyword, tags.operatorKeyword], color: "var(--danger)" },
  { tag: tags.comment, color: "var(--text-muted)", fontStyle: "italic" },
]);

export default function Editor(props: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const latest = useRef(props);
  latest.current = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: made once a language; what changes is read from `latest`
  useEffect(() => {
    if (!host.current) return;
    // In a shadow root its styles are constructed sheets; in the document they would be a <style>, which the page's
    // Content-Security-Policy refuses.
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
    const editor = new EditorView({
      parent: root,
      root,
      state: EditorState.create({ doc: latest.current.value, extensions: extensions(latest) }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [props.language, props.readOnly, props.singleLine, props.lint]);

  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const now = editor.state.doc.toString();
    if (now !== props.value) editor.dispatch({ changes: { from: 0, to: now.length, insert: props.value } });
  }, [props.value]);

  return (
    <div
      ref={host}
      className={clsx(
        "min-h-0 overflow-hidden rounded-md border border-line-strong bg-surface-100 focus-within:outline-2 focus-within:outline-brand-line",
        props.className,
      )}
    />
  );
}

function extensions(latest: { current: EditorProps }): Extension[] {
  const { language, readOnly, singleLine, lint, label } = latest.current;
  const submit = (editor: EditorView) => {
    const now = editor.state.doc.toString();
    // What was typed a moment ago may wait to be rendered: what is submitted must have it.
    if (now !== latest.current.value) flushSync(() => latest.current.onChange?.(now));
    latest.current.onSubmit?.();
    return true;
  };
  const found: Extension[] = [
    history(),
    drawSelection(),
    bracketMatching(),
    closeBrackets(),
    highlightSelectionMatches(),
    syntaxHighlighting(COLOURS),
    THEME,
    EditorView.contentAttributes.of({ "aria-label": label }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
    }),
    keymap.of([
      { key: "Mod-Enter", run: submit, preventDefault: true },
      ...(singleLine ? [{ key: "Enter", run: submit }] : []),
      ...completionKeymap,
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
      ...foldKeymap,
      ...lintKeymap,
      // Tab leaves a single line, as in every other field.
      ...(singleLine || readOnly ? [] : [indentWithTab]),
    ]),
    autocompletion({
      icons: false,
      override: latest.current.complete ? [(context) => latest.current.complete?.(context) ?? null] : null,
    }),
  ];
  if (latest.current.placeholder) found.push(placeholder(latest.current.placeholder));
  if (readOnly) found.push(EditorState.readOnly.of(true), EditorView.editable.of(false));
  if (singleLine) found.push(EditorState.transactionFilter.of((each) => (each.newDoc.lines > 1 ? [] : each)));
  else found.push(lineNumbers(), foldGutter(), highlightActiveLine(), EditorView.lineWrapping);
  if (language === "json") {
    found.push(json());
    if (lint !== false && !readOnly)
      found.push(linter((each) => (each.state.doc.length ? jsonParseLinter()(each) : [])));
  }
  if (language === "sql") found.push(sql({ dialect: PostgreSQL }));
  return found;
}
