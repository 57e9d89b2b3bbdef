// Times in the reader's zone, where the page's address says so. The server writes all of them in UTC.

/** @returns {"utc" | "local"} The zone that this page shows times in. */
export const zone = () => (document.querySelector('meta[name="zone"]')?.content === "local" ? "local" : "utc");

const two = (number) => String(number).padStart(2, "0");

/** A time as `2026-01-02 03:04:05`, with the fraction that `iso` has.
 * @param {string} iso A time in UTC, as RFC 3339. */
export function readable(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const fraction = iso.match(/\.\d+/)?.[0] ?? "";
  if (zone() === "utc") return `${at.toISOString().slice(0, 19).replace("T", " ")}${fraction}`;
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${fraction}`;
}

/** Rewrites every time below an element.
 * @param {ParentNode} root */
export function localise(root) {
  if (zone() === "utc") return;
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.textContent = readable(element.dateTime);
    element.title = `${element.dateTime} (UTC)`;
  }
}

/** What was typed as one end of a range, for the server: an absolute time in the reader's zone gets its offset.
 * @param {string} typed */
export function typed(typed) {
  const text = typed.trim();
  if (zone() === "utc" || !/^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(text)) return text;
  const at = new Date(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(at.getTime()) ? text : at.toISOString();
}
