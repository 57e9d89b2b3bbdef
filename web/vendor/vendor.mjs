// Makes the files of web/assets/vendor, and the table of what is in them, from the packages that package-lock.json names.
// npm checks each package against its hash there. With --check nothing is written, and a difference is an error.
// Run by `cargo xtask vendor`.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, "../assets/vendor");
const isCheck = process.argv.includes("--check");

execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], { cwd: here, stdio: "inherit" });

const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8")).packages;
const packages = Object.entries(lock)
  .filter(([path]) => path.startsWith("node_modules/") && !path.includes("esbuild"))
  .map(([path, { version, license, integrity }]) => ({ name: path.slice("node_modules/".length), version, license, integrity, path }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

const bundle = join(mkdtempSync(join(tmpdir(), "metlog-vendor-")), "editor.js");
execFileSync(join(here, "node_modules/.bin/esbuild"), ["editor.js", "--bundle", "--format=esm", "--minify", "--legal-comments=none", "--target=es2022", "--log-level=error", `--outfile=${bundle}`], { cwd: here, stdio: "inherit" });

const licences = packages.map(({ name, version, path }) => {
  const folder = join(here, path);
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (!file) throw new Error(`${name} has no licence file`);
  return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});

const uplot = (file) => readFileSync(join(here, "node_modules/uplot/dist", file));
const files = new Map([
  ["LICENSES.txt", Buffer.from(licences.join(`\n${"-".repeat(80)}\n\n`))],
  ["editor.js", readFileSync(bundle)],
  ["uplot.css", uplot("uPlot.min.css")],
  ["uplot.js", uplot("uPlot.iife.min.js")],
]);

const table = [
  "# What is in web/assets/vendor. Written by `cargo xtask vendor`; a test compares it with the files.",
  ...packages.map(({ name, version, license, integrity }) =>
    `\n[[package]]\nname = "${name}"\nversion = "${version}"\nlicence = "${license}"\nintegrity = "${integrity}"`),
  ...[...files].map(([name, bytes]) => `\n[[file]]\nname = "${name}"\nsha256 = "${createHash("sha256").update(bytes).digest("hex")}"`),
  "",
].join("\n");

const wanted = [...files].map(([name, bytes]) => [join(assets, name), bytes]);
wanted.push([join(here, "table.toml"), Buffer.from(table)]);
const differing = wanted.filter(([path, bytes]) => {
  try {
    return !readFileSync(path).equals(bytes);
  } catch {
    return true;
  }
});
if (isCheck && differing.length > 0) {
  console.error(`differs from its packages, run \`cargo xtask vendor\`:\n${differing.map(([path]) => path).join("\n")}`);
  process.exit(1);
}
if (!isCheck) for (const [path, bytes] of differing) writeFileSync(path, bytes);
