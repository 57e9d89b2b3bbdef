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
saved();
upload();
