// What every view needs: times in the reader's zone, charts, the time range, light and dark, and loading again.
import { chart } from "./chart.js";
import { localise, typed } from "./time.js";

/** Goes to the same view with another time range, given in seconds. */
function choose(from, to) {
  const address = new URL(location.href);
  const iso = (seconds) => new Date(Math.round(seconds * 1000)).toISOString();
  address.searchParams.set("from", iso(from));
  address.searchParams.set("to", iso(to));
  location.assign(address);
}

/** Brings what the server sent to life.
 * @param {ParentNode} root */
export function enliven(root) {
  localise(root);
  for (const figure of root.querySelectorAll("figure[data-chart]")) chart(figure, choose);
}

function picker() {
  const details = document.querySelector(".picker");
  const form = details.querySelector("form");
  form.addEventListener("submit", () => {
    for (const name of ["from", "to"]) form.elements[name].value = typed(form.elements[name].value);
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    details.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
}

function theme() {
  const button = document.querySelector("button.theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const isDark = getComputedStyle(document.documentElement).colorScheme === "dark"
      || (document.documentElement.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    document.dispatchEvent(new Event("metlog:theme"));
  });
}

/** True where a session has ended: the page is loaded again, which leads to the login and back here.
 * @param {Response} response */
export function ended(response) {
  if (response.status !== 401) return false;
  location.reload();
  return true;
}

/** Loads the parts of this page again, in place, while it is looked at. */
function refresh(seconds) {
  setInterval(async () => {
    const isBusy = document.querySelector("main :is(details.long[open], .u-select[style*='width']:hover, :focus-visible)");
    if (document.hidden || isBusy) return;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (response.redirected && new URL(response.url).pathname === "/login") return location.reload();
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      const open = [...document.querySelectorAll("main details[open]")].map((details) => details.closest("[id]")?.id);
      const main = document.querySelector("main");
      main.replaceChildren(...fresh.querySelector("main").childNodes);
      for (const id of open) if (id) document.getElementById(id)?.querySelector("details")?.setAttribute("open", "");
      enliven(main);
    } catch {
      // The server is away; the next turn tries again, and what is shown stays.
    }
  }, seconds * 1000);
}

const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
picker();
theme();
// Where not all views fit, the one that is looked at is in sight.
const here = document.querySelector(".bar nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
enliven(document);
const seconds = Number(document.querySelector('meta[name="refresh-seconds"]')?.content);
if (seconds > 0) refresh(seconds);
