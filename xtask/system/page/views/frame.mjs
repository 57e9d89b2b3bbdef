// What all views have: headers, assets, time range, zone, keyboard, light and dark, without a script.
import { check } from "../browser.mjs";

export default async function frame(browser, server) {
  const response = await fetch(`${server.base}/`);
  const policy = response.headers.get("content-security-policy");
  check(policy.startsWith("default-src 'none'") && !/unsafe|nonce|\*/.test(policy), `the policy is strict: ${policy}`);
  check(response.headers.get("referrer-policy") === "no-referrer", "SQL in an address is passed on to nobody");
  const asset = (await response.text()).match(/\/assets\/[0-9a-f]{16}\/page\.js/)[0];
  const script = await fetch(server.base + asset);
  check(script.headers.get("content-encoding") === "gzip", "assets are compressed");
  check(script.headers.get("cache-control").includes("immutable"), "and kept");
  const api = await fetch(`${server.base}/api/ledger`);
  check(api.headers.get("content-security-policy").includes("sandbox"), "data are no documents");

  const page = await browser.open("/explore");
  check(await page.evaluate(() => document.title) === "Explore · metlog", "titles say where one is");
  await page.keyboard.press("Tab");
  check(await page.evaluate(() => document.activeElement.className) === "skip", "the first stop of the keyboard skips the navigation");
  await page.locator(".picker summary").click();
  await page.locator(".picker input[name=from]").fill("-10m");
  await page.locator(".picker button").click();
  await page.waitForURL(/from=-10m/);
  check((await page.locator(".picker summary").textContent()).includes("-10m"), "a range can be typed");
  await page.locator("a.zone").click();
  await page.waitForURL(/zone=local/);
  await page.goBack();
  check(!page.url().includes("zone=local") && page.url().includes("from=-10m"), "Back works");
  await page.locator(".picker summary").click();
  await page.locator(".quick a", { hasText: "3 hours" }).click();
  await page.waitForURL(/from=-3h/);
  await page.goto(`${server.base}/?from=soon`);
  check((await page.locator(".banner.bad").textContent()).includes("cannot read `soon`"), "what cannot be read is said");

  await page.goto(`${server.base}/explore?zone=local&sql=${encodeURIComponent("select timestamp '2026-01-02T03:04:05Z' as t, 9223372036854775807 as n, null as nothing, '' as empty")}`);
  const cells = page.locator("#result td");
  check((await cells.nth(0).textContent()).startsWith("2026-01-02 08:34:05"), "times are those of the reader");
  check(await cells.nth(1).textContent() === "9223372036854775807", "64 bits are right");
  check(await cells.nth(2).locator(".null").count() === 1 && await cells.nth(3).locator(".empty-text").count() === 1, "null is not empty");

  await page.locator("button.theme").click();
  check(await page.evaluate(() => document.documentElement.dataset.theme) === "dark", "dark on demand");
  await page.evaluate(() => localStorage.removeItem("theme"));
  await server.until("something is stored", async () => (await (await fetch(`${server.base}/api/ledger`)).json()).stored > 0);
  await server.serving(async (base) => {
    const overview = await (await fetch(base)).text();
    check(overview.includes("receives nothing itself") && !overview.includes("Where every message is"), "a server that only reads has no ledger");
    const report = await (await fetch(`${base}/reports/top-tokens`)).text();
    check(/<td>(<a[^>]*>)?login/.test(report), "reports over what others have stored");
  });

  const missing = await browser.open("/reports/none");
  check((await missing.locator("main").textContent()).includes("no such report"), "what is not there is said");
}
