// Traces: the waterfall by keyboard, saved searches, files that are opened. All of it works without, by links.

/** Moves through the rows of the waterfall: j and k, h and l as in an editor. */
function keyboard(list) {
  const rows = () => [...list.querySelectorAll(":scope > li > details > summary")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const all = rows();
    const at = all.indexOf(document.activeElement);
    const go = (to) => {
      event.preventDefault();
      all[Math.max(0, Math.min(all.length - 1, to))]?.focus();
    };
    const fold = (state) => {
      const link = all[at]?.closest("li").querySelector(`:scope > a[data-fold="${state}"]`);
      if (link) location.assign(link.href);
    };
    if (event.key === "j") go(at + 1);
    else if (event.key === "k") go(at < 0 ? 0 : at - 1);
    else if (event.key === "h") fold("open");
    else if (event.key === "l") fold("closed");
    else if (event.key === "n") document.querySelector(".pages [rel=next]")?.click();
    else if (event.key === "p") document.querySelector(".pages [rel=prev]")?.click();
  });
}

/** Dragging along the small picture of a trace zooms into that time; what is not much of a drag is a click. */
function zoom(picture) {
  const place = (event) => {
    const box = picture.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  let begun = null;
  let mark = null;
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    begun = place(event);
    event.preventDefault();
  });
  document.addEventListener("pointermove", (event) => {
    if (begun === null) return;
    mark ??= picture.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
    const [from, to] = [begun, place(event)].sort((a, b) => a - b);
    for (const [name, value] of Object.entries({ class: "drag", x: from * 1000, y: 0, width: (to - from) * 1000, height: "100%" })) mark.setAttribute(name, value);
  });
  document.addEventListener("pointerup", (event) => {
    if (begun === null) return;
    const [from, to] = [begun, place(event)].sort((a, b) => a - b);
    begun = null;
    mark?.remove();
    mark = null;
    if (to - from < 0.01) return;
    picture.addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
    const address = new URL(location.href);
    const nanos = Number(picture.dataset.nanos);
    address.searchParams.set("zoom", `${Math.floor(from * nanos)}-${Math.ceil(to * nanos)}`);
    location.assign(address);
  });
}

const SAVED = "traces.saved";
const read = () => JSON.parse(localStorage.getItem(SAVED) ?? "[]");

/** Searches that this browser keeps: a name, and the address without its times. */
function saved() {
  const button = document.querySelector("[data-save]");
  const list = document.querySelector(".saved");
  if (!button || !list) return;
  const show = () => {
    const all = read();
    list.hidden = all.length === 0;
    list.querySelector("ul").replaceChildren(...all.map(({ name, search }, at) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `/traces?${search}`;
      link.textContent = name;
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "×";
      remove.title = `Forget ${name}`;
      remove.addEventListener("click", () => {
        localStorage.setItem(SAVED, JSON.stringify(read().filter((_, other) => other !== at)));
        show();
      });
      item.append(link, " ", remove);
      return item;
    }));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const search = new URLSearchParams(new FormData(button.form));
    for (const [name, value] of [...search]) if (!value || ["from", "to"].includes(name)) search.delete(name);
    const name = [...search.values()].join(" · ") || "all traces";
    localStorage.setItem(SAVED, JSON.stringify([...read().filter((other) => other.search !== String(search)), { name, search: String(search) }]));
    show();
  });
  show();
}

/** A file that is chosen is opened. */
function upload() {
  const form = document.querySelector("form[data-upload]");
  form?.querySelector("input[type=file]").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    form.elements.json.value = await file.text();
    form.submit();
  });
}

const rows = document.querySelector("ol.waterfall");
if (rows) {
  keyboard(rows);
  const chosen = rows.querySelector(":scope > li > details[open]");
  chosen?.scrollIntoView({ block: "center" });
}
const picture = document.querySelector("svg.minimap");
if (picture) zoom(picture);
saved();
upload();
