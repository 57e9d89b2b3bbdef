// The overview: the state, the flow, what comes in.
import { check, drag } from "../browser.mjs";

export default async function overview(browser, server) {
  const began = Date.now();
  const page = await browser.open("/?from=-5m");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  console.log(`      first paint after ${Math.round(paint)} ms, everything after ${Date.now() - began} ms`);
  check((await page.locator(".state .word").textContent()) === "Good", "all is well");
  check((await page.locator(".flow .stage .count").allTextContents()).every((count) => /\d/.test(count)), "every stage has a count");
  await page.locator(".loss", { hasText: "rejected" }).first().click();
  await page.waitForURL(/rejected/);
  check((await page.locator("main").textContent()).includes("{broken <script>"), "what was refused can be looked at");
  await browser.judge(page, "rejected");
  await page.goBack();
  const chart = page.locator("#messages-over-time figure");
  await chart.locator(".u-over").waitFor();
  check(await chart.locator("tbody tr").count() > 10, "the chart has its table");
  check(await page.evaluate(() => document.querySelector("figure").metlogPlot.data[1].some((value) => value > 0)), "the chart has points");
  for (const text of ["shop.web", "checkout", "messages", "metrics", "parquet"]) check((await page.locator("main").textContent()).includes(text), `${text} is there`);
  await browser.judge(page, "overview");
  await drag(page, "#messages-over-time", 0.3, 0.8);
  await page.waitForURL(/from=20.*to=20/);
  const { from, to } = await page.evaluate(() => Object.fromEntries(new URL(location.href).searchParams));
  check(Math.abs((Date.parse(to) - Date.parse(from)) / 1000 - 150) < 15, `half of 5 minutes was dragged: ${from} to ${to}`);
  await page.goBack();
  check(page.url().endsWith("/?from=-5m"), "Back leads to the range before");

  // Somebody whose datagrams are lost: the state says so, and where to read about it.
  await page.goto(`${server.base}/`);
  const before = await page.locator(".flow .stage .count").nth(1).textContent();
  await server.until("the page looks again by itself", async () => (await page.locator(".flow .stage .count").nth(1).textContent()) !== before);
}
