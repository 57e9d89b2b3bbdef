// Text that was received, as text: what steers a display is shown instead of obeyed. As `text.rs` does on the server.

const STEERS = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The nodes that show a text.
 * @param {string} text
 * @returns {Node[]} */
export function visible(text) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
  };
  for (const letter of text) {
    if (!STEERS.test(letter)) {
      plain += letter;
      continue;
    }
    flush();
    const mark = document.createElement("span");
    mark.className = "steers";
    mark.textContent = NAMED[letter] ?? `U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    nodes.push(mark);
  }
  flush();
  return nodes;
}
