// Explore: the editor, running and cancelling, history, and what is inserted by a click.
import { ended, enliven } from "./page.js";

const HISTORY_MAX = 100;
const HISTORY_KEY = "metlog.history";
/** How often what has come of a result is shown. */
const SHOW_INTERVAL_MS = 120;

const form = document.querySelector("form.query");
const textarea = form.elements.sql;
const run_button = form.querySelector("button.primary");
const cancel_button = form.querySelector("[data-cancel]");
const elapsed = form.querySelector(".elapsed");
const result = document.getElementById("result");

/** The editor; until it is there, and where it cannot be, the text area. */
let editor = {
  chosen: () => ({ text: textarea.value, line: 0, column: 0 }),
  set: (text) => { textarea.value = text; },
  insert: (text) => { textarea.setRangeText(text); textarea.focus(); },
  mark: () => {},
  focus: () => textarea.focus(),
};

let running = null;

/** Shows HTML of the server in the place of the result. */
function show(html) {
  result.innerHTML = html;
}

/** Runs a query and shows its result as it comes. Leaving the page, or cancelling, ends it on the server too.
 * @param {{text: string, line: number, column: number}} chosen What to run, and where it begins in the editor. */
async function run(chosen, keepAddress = false) {
  if (!chosen.text.trim()) return;
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const address = new URL(location.href);
  address.searchParams.set("sql", chosen.text);
  if (!keepAddress && address.href !== location.href) history.pushState(null, "", address);
  const began = performance.now();
  const tick = setInterval(() => { elapsed.textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`; }, 100);
  run_button.disabled = true;
  cancel_button.hidden = false;
  result.setAttribute("aria-busy", "true");
  editor.mark(0, 0, "");
  let html = "";
  let shown = 0;
  try {
    const response = await fetch(`/explore/result${address.search}`, { signal: mine.signal });
    if (ended(response)) return;
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) break;
      html += value;
      if (performance.now() - shown < SHOW_INTERVAL_MS) continue;
      show(html);
      shown = performance.now();
    }
    show(html);
  } catch (error) {
    const note = document.createElement("p");
    note.className = mine.signal.aborted ? "banner warn" : "fault";
    note.setAttribute("role", "alert");
    note.textContent = mine.signal.aborted ? "Cancelled. The query was ended on the server." : `The server could not be reached: ${error.message}`;
    result.append(note);
  } finally {
    clearInterval(tick);
    if (running === mine) {
      running = null;
      elapsed.textContent = "";
      run_button.disabled = false;
      cancel_button.hidden = true;
      result.removeAttribute("aria-busy");
    }
  }
  enliven(result);
  settle(chosen);
}

/** Marks the error, if there is one, and notes the query in the history. */
function settle(chosen) {
  const fault = result.querySelector(".fault[data-line]");
  if (fault) {
    const line = Number(fault.dataset.line);
    editor.mark(line + chosen.line, Number(fault.dataset.column) + (line === 1 ? chosen.column : 0), fault.querySelector(".message").textContent);
  }
  const sum = result.querySelector(".sum");
  remember({ sql: chosen.text, at: Date.now(), rows: sum ? Number(sum.dataset.rows) : null, ms: Number(sum?.dataset.ms ?? 0) });
}

function remembered() {
  try {
    const list = JSON.parse(localStorage.getItem(HISTORY_KEY) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

function remember(entry) {
  const list = [entry, ...remembered().filter(({ sql }) => sql !== entry.sql)].slice(0, HISTORY_MAX);
  try {
    localStorage.setItem(HISTORY_KEY, JSON.stringify(list));
  } catch {
    // The browser's store is full or off: there is no history then.
  }
  list_history();
}

function list_history() {
  const panel = document.getElementById("history");
  const list = remembered();
  panel.hidden = list.length === 0;
  panel.querySelector("ol").replaceChildren(...list.map(({ sql, at, rows, ms }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sql.replace(/\s+/g, " ").slice(0, 160);
    button.title = sql;
    button.addEventListener("click", () => editor.set(sql));
    const note = document.createElement("span");
    note.className = "note";
    note.textContent = `${new Date(at).toLocaleTimeString()} · ${rows === null ? "no result" : `${rows} ${rows === 1 ? "row" : "rows"}, ${ms} ms`}`;
    item.append(button, note);
    return item;
  }));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(editor.chosen());
});
cancel_button.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) running.abort();
});
window.addEventListener("popstate", () => {
  const sql = new URL(location.href).searchParams.get("sql");
  if (sql === null) return location.reload();
  editor.set(sql);
  run({ text: sql, line: 0, column: 0 }, true);
});
document.querySelector(".explore").addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (button) editor.insert(button.dataset.insert);
});
document.querySelector(".find")?.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(".functions > div")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
document.querySelector("[data-clear]").addEventListener("click", () => {
  localStorage.removeItem(HISTORY_KEY);
  list_history();
});
list_history();

const [{ edit }, schema] = await Promise.all([
  import("./vendor/editor.js"),
  fetch("/explore/schema").then((response) => (response.ok ? response.json() : { tables: [], functions: [] })),
]);
editor = edit(textarea, schema, () => run(editor.chosen()));
if (result.querySelector(".sum, .fault")) settle({ text: textarea.value, line: 0, column: 0 });
