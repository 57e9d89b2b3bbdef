// A headless Chromium, and what every view is held to.
import { readFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 400, height: 800 } };

export class Browser {
  static async start(modules, server, shots) {
    const require = createRequire(join(modules, "x.js"));
    const { chromium } = require("playwright-core");
    const browser = new Browser();
    browser.axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
    browser.server = server;
    browser.shots = shots;
    browser.faults = [];
    browser.pages = new Set();
    browser.profile = mkdtempSync(join(tmpdir(), "metlog-chromium-"));
    const executablePath = CHROMIUM.find((path) => { try { readFileSync(path, { flag: "r" }); return true; } catch { return false; } });
    if (!executablePath) throw new Error(`there is no ${CHROMIUM.join(", ")}`);
    // Not headless by playwright's own flag, which wants another binary: FLAGS has Chromium's.
    browser.context = await chromium.launchPersistentContext(browser.profile, { executablePath, args: FLAGS, viewport: SIZES.wide, timezoneId: "Asia/Kolkata", acceptDownloads: true });
    browser.context.setDefaultTimeout(20_000);
    return browser;
  }

  /** Opens a path of the page. Whatever its scripts and its policy complain about is a fault. */
  async open(path, options = {}) {
    const page = await (options.context ?? this.context).newPage();
    this.pages.add(page);
    page.on("pageerror", (error) => this.faults.push(`${path}: ${error.message}`));
    page.on("console", (message) => {
      // A refused request is said by the page itself; and what a test does on purpose is no fault.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) this.faults.push(`${path}: ${message.text()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(options.base ?? this.server.base) && !request.url().startsWith("data:") && !request.url().startsWith("blob:")) this.faults.push(`${path}: asks for ${request.url()}`);
    });
    await page.addInitScript(() => {
      window.reports = [];
      document.addEventListener("securitypolicyviolation", (event) => window.reports.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    await page.goto((options.base ?? this.server.base) + path);
    return page;
  }

  /** No CSP report, nothing hostile ran, no serious fault of accessibility; and pictures, where they are wanted. */
  async judge(page, name) {
    const { reports, hacked, images } = await page.evaluate(() => ({ reports: window.reports, hacked: window.hacked, images: document.querySelectorAll("img[src='x'], a[href^='javascript:']").length }));
    if (reports.length > 0) this.faults.push(`${name}: content security policy: ${reports.join("; ")}`);
    if (hacked !== undefined || images > 0) this.faults.push(`${name}: text of others became more than text`);
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        // Charts follow a moment later.
        await page.waitForTimeout(250);
        const wide = await page.evaluate(() => {
          const end = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= end + 1) return [];
          const beyond = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > end + 1 && !element.closest(".scroll, nav"));
          return beyond.slice(0, 4).map((element) => `${element.tagName}.${element.getAttribute("class")}`);
        });
        if (wide.length > 0) this.faults.push(`${name}: too wide (${size}): ${wide.join(", ")}`);
        if (this.shots) await page.screenshot({ path: join(this.shots, `${name}-${scheme}-${size}.png`), fullPage: true });
      }
      await this.axeOf(page, `${name} (${scheme})`);
    }
    await page.setViewportSize(SIZES.wide);
    await page.emulateMedia({ colorScheme: "light" });
  }

  async axeOf(page, name) {
    // Evaluated by the debugger, which the page's policy does not hold back.
    await page.evaluate(this.axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
      this.faults.push(`${name}: axe ${impact} ${id}: ${nodes.slice(0, 3).map(({ target, failureSummary }) => `${target} ${failureSummary.split("\n")[1] ?? ""}`).join(" | ")}`);
    }
  }

  assertClean() {
    const faults = this.faults.splice(0);
    if (faults.length > 0) throw new Error(faults.join("\n      "));
  }

  /** The last page as a picture, to see what went wrong. */
  async picture(name) {
    const page = [...this.pages].at(-1);
    if (this.shots && page) await page.screenshot({ path: join(this.shots, `${name}.png`) }).catch(() => {});
  }

  async closePages() {
    for (const page of this.pages) await page.close();
    this.pages.clear();
  }

  async stop() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** Fails unless something is so. */
export function check(is, what) {
  if (!is) throw new Error(what);
}

/** Drags on the chart of a figure, from one share of its width to another. */
export async function drag(page, selector, from, to) {
  const over = page.locator(`${selector} .u-over`).first();
  await over.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await over.boundingBox();
  await page.mouse.move(x + width * from, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * ((from + to) / 2), y + height / 2);
  await page.mouse.move(x + width * to, y + height / 2);
  await page.mouse.up();
}
