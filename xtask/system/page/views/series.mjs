// Metrics: names, statistics, percentiles, what is apart by, cardinality.
import { check, drag } from "../browser.mjs";

const values = (page, at = 0) => page.evaluate((at) => [...document.querySelectorAll("#chart figure")][at].metlogPlot.data.slice(1).map((values) => values.filter((value) => value != null)), at);

export default async function series(browser, server) {
  // Two hosts by tag, so that there is something apart.
  for (let n = 0; n < 30; n += 1) await server.datagrams(server.statsd, [`api.v1.time:${n}|ms|#node:a`, `api.v1.time:${n + 100}|ms|#node:b`, "api.v1.hits:5|c|#node:a"]);
  await server.until("the metrics are seen", async () => (await server.sql("select count(*) as n from metrics where name = 'api.v1.time'"))[0].n > 1);

  const page = await browser.open("/series?from=-5m");
  await page.locator("#chart .u-over").first().waitFor();
  check(await page.locator("#names li").count() > 4, "there are names");
  await browser.judge(page, "series");

  // Names are found by a part and chosen by a click; several make one chart.
  await page.locator("#find").fill("api kind=timer");
  await page.locator("#find").press("Enter");
  await page.waitForURL(/find=api/);
  check((await page.locator("#names li").count()) === 1, "the list follows the search");
  await page.locator("#names a", { hasText: "api.v1.time" }).click();
  await page.waitForURL(/name=api.v1.time/);
  await page.locator("#chart .legend", { hasText: "api.v1.time p99" }).waitFor();

  // Any percentile over any window, from merged sketches: within 1 % of the truth, which is 129 for all of them.
  await page.getByLabel("Any percentile").fill("100");
  await page.getByLabel("Over").selectOption("3600");
  await page.getByRole("button", { name: "Draw" }).click();
  await page.waitForURL(/percentile=100/);
  await page.locator("#chart .u-over").first().waitFor();
  const [[highest]] = await values(page);
  check(Math.abs(highest - 129) < 1.3, `the percentile is right: ${highest}`);

  // By a tag.
  await page.getByLabel("One line for each").selectOption("tag:node");
  await page.getByRole("button", { name: "Draw" }).click();
  await page.waitForURL(/by=tag/);
  await page.locator("#chart .legend", { hasText: "api.v1.time b" }).waitFor();
  const apart = (await values(page)).map(([value]) => value).sort((one, two) => one - two);
  check(Math.abs(apart[0] - 29) < 0.3 && Math.abs(apart[1] - 129) < 1.3, `each tag by itself: ${apart}`);
  await browser.judge(page, "series-by-tag");

  // Counters are rates, and a gap is a gap unless it is asked otherwise.
  await page.goto(`${server.base}/series?from=-5m&name=api.v1.hits&every=10`);
  await page.locator("#chart .u-over").first().waitFor();
  check((await page.locator("#chart h3").textContent()).startsWith("rate of counters"), "counters are rates");
  const isGap = await page.evaluate(() => document.querySelector("#chart figure").metlogPlot.data[1].includes(null));
  check(isGap, "gaps are gaps");
  await page.getByLabel("Without a value").selectOption("zero");
  await page.getByRole("button", { name: "Draw" }).click();
  await page.waitForURL(/gaps=zero/);
  await page.locator("#chart .u-over").first().waitFor();
  check((await values(page))[0].includes(0), "or 0");
  await drag(page, "#chart", 0.4, 0.9);
  await page.waitForURL(/from=20/);
  await page.goBack();

  await page.goto(`${server.base}/series/cardinality?from=-5m`);
  await page.locator("#tags-with-most-values tr", { hasText: "node" }).waitFor();
  check((await page.locator("#names-with-most-series tr", { hasText: "api.v1.time" }).locator("td").first().textContent()) === "2", "series are counted");
  await browser.judge(page, "cardinality");
  await page.goto(`${server.base}/series?find=nane%3Dx`);
  check((await page.locator(".fault").textContent()).includes("did you mean `name`"), "what is wrong is said");
}
