// The SQL editor: CodeMirror 6 over a textarea, in a shadow root, where its styles need no permission of the page's policy.
// Bundled into web/assets/vendor/editor.js by `cargo xtask vendor`.
import { autocompletion, closeBrackets, closeBracketsKeymap, closeCompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { SQLDialect, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const KEYWORDS = "all analyze and any array as asc at between by case cast cross current day desc describe distinct else end escape except exists explain extract false filter following for from full group grouping having hour ilike in inner intersect interval is join lateral left like limit minute month natural not null nulls offset on or order outer over partition preceding qualify range recursive right rows second select sets show similar table then time timestamp to true unbounded union unnest using values week when where window with within year zone";
const TYPES = "array bigint binary boolean bytea char date decimal double float int integer interval map numeric real smallint string struct text timestamp timestamptz tinyint varchar";

// Colours are those of the page: its variables reach into the shadow root, also when they change.
const theme = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--bg)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--accent-soft)" },
  ".cm-gutters": { backgroundColor: "var(--bg)", color: "var(--soft)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "6px", boxShadow: "0 6px 24px rgb(0 0 0 / .18)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16em" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--soft)", fontStyle: "normal" },
  ".cm-completionInfo": { maxWidth: "320px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--line)" },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--s1)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--s0)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--s2)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--s3)" },
]);

/** Where a browser knows plain text, typing over coloured text makes no elements with styles, which the policy would report. */
const EDITABLE = (() => {
  const probe = document.createElement("div");
  probe.setAttribute("contenteditable", "plaintext-only");
  return probe.contentEditable === "plaintext-only" ? "plaintext-only" : "true";
})();

/** Typing over a selection, by the editor itself: a browser would keep the colours of what was there, as styles in elements. */
const typing = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    if (event.inputType !== "insertText" || !event.data || empty || view.composing || view.state.selection.ranges.length > 1) return false;
    event.preventDefault();
    const typed = () => view.state.update(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    const isTaken = view.state.facet(EditorView.inputHandler).some((take) => take(view, from, to, event.data, typed));
    if (!isTaken) view.dispatch(typed());
    return true;
  },
});

/** Completions of functions: their names begin a call. */
function functions(names) {
  const options = names.map((name) => ({ label: name, type: "function", apply: `${name}(` }));
  return (context) => {
    const word = context.matchBefore(/\w+/);
    return word && (word.to - word.from > 1 || context.explicit) ? { from: word.from, options, validFor: /^\w*$/ } : null;
  };
}

/** Puts an editor in the place of a textarea, which keeps its text and so stays what a form sends.
 * @param {HTMLTextAreaElement} textarea
 * @param {{tables: {name: string, columns: {name: string, type: string, meaning: string}[]}[], functions: string[]}} schema
 * @param {() => void} run Called for Ctrl+Enter. */
export function edit(textarea, schema, run) {
  const host = document.createElement("div");
  host.className = "editor";
  textarea.after(host);
  textarea.hidden = true;
  const root = host.attachShadow({ mode: "open" });
  const dialect = SQLDialect.define({ keywords: KEYWORDS, types: TYPES, builtin: schema.functions.join(" "), doubleQuotedStrings: false, hashComments: false });
  const tables = Object.fromEntries(schema.tables.map((table) => [table.name, table.columns.map((column) => ({ label: column.name, type: "property", detail: column.type, info: column.meaning }))]));
  const language = sql({ dialect, schema: tables, defaultTable: schema.tables[0]?.name });
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: (view) => { closeCompletion(view); run(); return true; } }])),
        lineNumbers(), highlightSpecialChars(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(),
        autocompletion(), highlightActiveLine(), syntaxHighlighting(colours), theme, language,
        dialect.language.data.of({ autocomplete: functions(schema.functions) }),
        EditorView.lineWrapping, typing,
        EditorView.contentAttributes.of({ contenteditable: EDITABLE, "aria-label": textarea.getAttribute("aria-label") ?? "SQL" }),
        // Tab indents; Escape first, and it moves on, as for every textarea.
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => { if (update.docChanged) textarea.value = update.state.doc.toString(); }),
      ],
    }),
  });
  return {
    /** What is to be run, and where in the text that begins: line and column, from 0. */
    chosen() {
      const { from, to } = view.state.selection.main;
      const line = view.state.doc.lineAt(from);
      return from === to ? { text: view.state.doc.toString(), line: 0, column: 0 }
        : { text: view.state.sliceDoc(from, to), line: line.number - 1, column: from - line.from };
    },
    /** Replaces the text. */
    set(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      view.focus();
    },
    /** Puts a text where the cursor is. */
    insert(text) {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    /** Marks an error at line and column, both from 1; without them, none. */
    mark(line, column, message) {
      const diagnostics = [];
      if (line > 0 && line <= view.state.doc.lines) {
        const at = view.state.doc.line(line);
        const from = Math.min(at.from + Math.max(column - 1, 0), at.to);
        const to = view.state.wordAt(from)?.to ?? Math.min(from + 1, at.to);
        diagnostics.push({ from: from === to ? Math.max(from - 1, at.from) : from, to, severity: "error", message });
      }
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    focus: () => view.focus(),
  };
}
