// Reports: those of metlog on the demo's data, the owner's own, and mistakes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { check } from "../browser.mjs";

const SHIPPED = ["unique-users", "request-time", "error-rate", "slowest-names", "type-and-severity", "top-tokens", "volume-by-logger", "counters-changed", "loss-by-sender", "mesh-verdicts"];

export default async function reports(browser, server) {
  const page = await browser.open("/reports");
  check(await page.locator(".reports li").count() === SHIPPED.length + 1, "all of metlog's and one of the owner's");
  const fault = await page.locator(".fault").textContent();
  check(fault.includes("broken.toml") && fault.includes("line 3, sqll: unknown key"), `a mistake names file, line and key: ${fault}`);
  await browser.judge(page, "reports");
  for (const name of SHIPPED) {
    await page.goto(`${server.base}/reports/${name}`);
    check(await page.locator("#result tbody tr").count() > 0, `${name} has rows`);
    check(await page.locator(".fault").count() === 0, `${name} has no fault`);
  }
  await page.goto(`${server.base}/reports/request-time?step=1m&from=-30m`);
  await page.locator("#result .u-over").waitFor();
  await browser.judge(page, "report");
  await page.locator("input[name=name]").fill("shop.checkout");
  await page.locator("button.primary").click();
  await page.waitForURL(/name=shop.checkout/);
  check(page.url().includes("from=-30m") && page.url().includes("step=1m"), "range and parameters are in the address");
  await page.goto(`${server.base}/reports/type-and-severity`);
  check(await page.locator("table.heat td.h9").count() > 0, "the largest number has the darkest shade");
  await browser.judge(page, "report-heat");
  await page.goto(`${server.base}/reports/top-tokens?limit=${encodeURIComponent("1; drop table messages")}`);
  check((await page.locator(".fault").textContent()).includes("is no number"), "a value is a value");
  const csv = await fetch(new URL(await page.goto(`${server.base}/reports/top-tokens`).then(() => page.locator("a", { hasText: "CSV" }).getAttribute("href")), server.base));
  check((await csv.text()).startsWith("token,messages,"), "CSV");
  await page.locator("a", { hasText: "Open in Explore" }).click();
  await page.waitForURL(/\/explore/);
  check(await page.locator("#result tbody tr").count() > 0, "the SQL runs in Explore as well");

  // Without a restart.
  writeFileSync(join(server.reports, "mine.toml"), "title = 'Mine'\nsql = 'select :n as n, :to as t'\n[[parameters]]\nname = 'n'\ntype = 'number'\ndefault = 42\n");
  await page.goto(`${server.base}/reports/mine`);
  check((await page.locator("#result tbody td").first().textContent()) === "42", "the owner's report is there at once");
  await page.goto(`${server.base}/reports/${encodeURIComponent("<b>hostile")}`);
  check((await page.locator("h1").textContent()).includes("<script>"), "a title is text");
  await browser.judge(page, "report-hostile");
}
