// Messages: a row opens in place with all that the message holds. Without this, its time leads there.
import { ended, enliven } from "./page.js";

/** Opens or closes the row below.
 * @param {HTMLButtonElement} button
 * @param {HTMLAnchorElement} link */
async function toggle(button, link) {
  const row = button.closest("tr");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  button.textContent = isOpen ? "▸" : "▾";
  if (isOpen) {
    if (row.nextElementSibling?.classList.contains("opened")) row.nextElementSibling.remove();
    return;
  }
  const opened = document.createElement("tr");
  opened.className = "opened";
  const cell = document.createElement("td");
  cell.colSpan = row.cells.length;
  cell.textContent = "Loading…";
  opened.append(cell);
  row.after(opened);
  const address = new URL(link.href);
  address.pathname = "/messages/row/fields";
  try {
    const response = await fetch(address);
    if (ended(response)) return;
    if (!response.ok) throw new Error(`the server says ${response.status}`);
    const part = new DOMParser().parseFromString(await response.text(), "text/html");
    cell.replaceChildren(...part.body.childNodes);
    enliven(cell);
  } catch (error) {
    cell.textContent = `This could not be loaded: ${error.message}`;
  }
}

/** Gives each row a button.
 * @param {ParentNode} root */
function buttons(root) {
  for (const link of root.querySelectorAll("table.list a.row")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "open";
    button.textContent = "▸";
    button.title = "Show all of it";
    button.setAttribute("aria-label", "Show all of this message");
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => toggle(button, link));
    link.before(button);
  }
}

buttons(document);
