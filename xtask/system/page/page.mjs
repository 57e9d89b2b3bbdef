// The page in a browser: every view on the demo's data. Run as
//
//     node page.mjs BINARY NODE_MODULES [--shots FOLDER] [VIEW…]
//
// Each file of `views` is a view's test: what it exports by default is called with a Browser (see browser.mjs). After every
// one: no script error, no report of the content security policy, no serious fault that axe finds. With --shots each view
// is kept as pictures, light and dark, wide and narrow, to be looked at.
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Browser } from "./browser.mjs";
import { Server } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const [binary, modules, ...rest] = process.argv.slice(2);
const shots = rest[0] === "--shots" ? rest.splice(0, 2)[1] : undefined;
if (shots) mkdirSync(shots, { recursive: true });

const files = readdirSync(join(here, "views")).filter((file) => file.endsWith(".mjs")).sort();
const wanted = files.filter((file) => rest.length === 0 || rest.includes(file.slice(0, -4)));
const server = await Server.start(resolve(binary));
const browser = await Browser.start(resolve(modules), server, shots && resolve(shots));
let failed = 0;
try {
  for (const file of wanted) {
    const name = file.slice(0, -4);
    const began = Date.now();
    try {
      const { default: check } = await import(pathToFileURL(join(here, "views", file)));
      await check(browser, server);
      browser.assertClean();
      console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}: ${error.stack ?? error}`);
      await browser.picture(`failed-${name}`);
    } finally {
      await browser.closePages();
    }
  }
} finally {
  await browser.stop();
  await server.stop();
}
process.exit(failed > 0 ? 1 : 0);
