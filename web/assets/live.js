// Live: messages of `/api/tail` as rows. The server filters and keeps the rate; here no more rows are kept than a person
// scrolls through, also while paused, and nothing is read while nobody looks.
import { ended } from "./page.js";
import { readable } from "./time.js";
import { visible } from "./visible.js";

const AGAIN_FIRST_MS = 500;
const AGAIN_MOST_MS = 8000;
const PAYLOAD_CHARACTERS_MAX = 240;
const SEVERITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

const section = document.querySelector("#live");
const body = section.querySelector("tbody");
const state = section.querySelector(".connection");
const counts = section.querySelector(".counts");
const pause = section.querySelector(".pause");
const waiting = section.querySelector(".waiting");
const rowsMax = Number(section.dataset.rows);

let isPaused = false;
/** Rows that are not shown yet, the newest last, and how many came since the pause. */
let pending = [];
let came = 0;
let connection;
let wait = AGAIN_FIRST_MS;
let timer;
let before;

const say = (text, isOn) => {
  state.textContent = text;
  state.className = `connection ${isOn ? "on" : "off"}`;
};

function cell(className, ...nodes) {
  const td = document.createElement("td");
  td.className = className;
  td.append(...nodes);
  return td;
}

/** Everything that a message holds, below its row. */
function opened(message) {
  const list = document.createElement("dl");
  const add = (name, nodes) => {
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    term.append(...visible(name));
    value.append(...nodes);
    list.append(term, value);
  };
  for (const [name, value] of Object.entries(message)) {
    if (name === "tokens") add(name, visible(value.join(", ")));
    else if (name === "fields") for (const [key, text] of Object.entries(value)) add(`fields.${key}`, visible(String(text)));
    else add(name, visible(String(value)));
  }
  const address = new URL("/messages", location.href);
  const at = Date.parse(message.timestamp);
  address.searchParams.set("from", new Date(at - 1000).toISOString());
  address.searchParams.set("to", new Date(at + 1000).toISOString());
  const link = document.createElement("a");
  link.href = address;
  link.textContent = "What was stored around it";
  const row = document.createElement("tr");
  row.className = "opened";
  const all = cell("", list, link);
  all.colSpan = 5;
  row.append(all);
  return row;
}

function row(message) {
  const open = document.createElement("button");
  open.type = "button";
  open.className = "open";
  open.textContent = "▸";
  open.setAttribute("aria-label", "Show all of this message");
  open.setAttribute("aria-expanded", "false");
  const at = document.createElement("time");
  at.dateTime = message.timestamp;
  at.textContent = readable(message.timestamp);
  const severity = document.createElement("span");
  severity.className = `severity v${message.severity}`;
  severity.textContent = SEVERITIES[message.severity] ?? message.severity;
  const letters = [...message.payload.slice(0, 2 * PAYLOAD_CHARACTERS_MAX)];
  const cut = letters.slice(0, PAYLOAD_CHARACTERS_MAX).join("");
  const tr = document.createElement("tr");
  tr.append(
    cell("t", open, at),
    cell("value", severity),
    cell("value", ...visible(message.type)),
    cell("value", ...visible(message.logger)),
    cell("payload", ...visible(cut), cut.length < message.payload.length ? " …" : ""),
  );
  open.addEventListener("click", () => {
    const isOpen = open.getAttribute("aria-expanded") === "true";
    open.setAttribute("aria-expanded", String(!isOpen));
    open.textContent = isOpen ? "▸" : "▾";
    if (isOpen) tr.nextElementSibling?.remove();
    else tr.after(opened(message));
  });
  return tr;
}

/** A line between rows that says what is not there. */
function note(text) {
  const tr = document.createElement("tr");
  tr.className = "missed";
  const td = cell("", text);
  td.colSpan = 5;
  tr.append(td);
  return tr;
}

function flush() {
  const fragment = document.createDocumentFragment();
  for (const item of pending.reverse()) fragment.append(typeof item === "string" ? note(item) : row(item));
  pending = [];
  came = 0;
  waiting.textContent = "";
  body.prepend(fragment);
  while (body.rows.length > rowsMax) body.lastElementChild.remove();
}

function take(item) {
  pending.push(item);
  if (pending.length > rowsMax) pending.shift();
  if (typeof item !== "string") came += 1;
  if (isPaused) waiting.textContent = `${came.toLocaleString("en")} waiting`;
}

/** x of y, each second. */
function count(live) {
  const since = (key) => live[key] - (before?.[key] ?? 0);
  const [received, matched, shown] = ["received", "matched", "shown"].map(since);
  before = live;
  const number = (value) => value.toLocaleString("en");
  const which = matched > shown ? `Showing ${number(shown)} of ${number(matched)} matching messages a second` : `Showing all ${number(matched)} matching messages a second`;
  counts.textContent = `${which}; ${number(received)} received.`;
}

/** Numbers that a browser cannot hold stay as they were written. */
const exact = (_, value, context) => (typeof value === "number" && !Number.isSafeInteger(value) && context?.source ? context.source : value);

function read(line) {
  const item = JSON.parse(line, exact);
  if (item.live) count(item.live);
  else if (item.missed_batches) take(item.missed_messages ? `${item.missed_messages.toLocaleString("en")} messages came too fast and are not shown` : "Messages came too fast and are not shown");
  else take(item);
}

async function connect() {
  clearTimeout(timer);
  connection?.abort();
  if (document.hidden) return;
  const mine = (connection = new AbortController());
  before = undefined;
  const address = new URL("/api/tail", location.href);
  address.searchParams.set("filter", section.dataset.filter);
  address.searchParams.set("rate", section.dataset.rate);
  try {
    const response = await fetch(address, { signal: mine.signal });
    if (ended(response)) return;
    if (!response.ok) throw new Error((await response.json()).error?.message ?? response.statusText);
    say("Connected", true);
    wait = AGAIN_FIRST_MS;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line) read(line);
      if (!isPaused && pending.length > 0) flush();
    }
    throw new Error("the server has stopped");
  } catch (error) {
    if (mine.signal.aborted) return;
    say(`Not connected: ${error.message}. Trying again…`, false);
    take("What comes until the connection is back is not shown");
    if (!isPaused) flush();
    timer = setTimeout(connect, wait);
    wait = Math.min(2 * wait, AGAIN_MOST_MS);
  }
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Go on" : "Pause";
  pause.setAttribute("aria-pressed", String(isPaused));
  if (!isPaused) flush();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    connect();
    return;
  }
  clearTimeout(timer);
  connection?.abort();
  say("Stopped while nobody looks", false);
  take("What came while this page was hidden is not shown");
});

connect();
