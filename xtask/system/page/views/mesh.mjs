// The mesh: heat map by zone, rack and node, its states, verdicts, the drill to a pair, what the agents cost.
import { check } from "../browser.mjs";

export default async function mesh(browser, server) {
  await server.until("the demo's mesh is seen", async () => (await server.sql("select count(*) as n from pings"))[0].n >= 132 * 30);
  const page = await browser.open("/mesh?from=-25m");
  check(await page.locator("table.mesh tbody td").count() === 16, "four racks, each to each");
  check(await page.locator("table.mesh tbody td.n").count() === 16, "a number in each cell");
  check(await page.locator("#verdicts tbody tr", { hasText: "eu-2/b" }).filter({ hasText: "up side" }).count() === 1, "the way up from the lossy rack is to blame");
  check(await page.locator("#verdicts tbody tr").count() === 1, "and nothing else");
  check(await page.locator("#what-the-agents-cost tbody tr").count() === 12, "what each agent costs");
  await browser.judge(page, "mesh");

  await page.getByLabel("By").selectOption("node");
  await page.getByLabel("Show").selectOption("loss");
  await page.getByRole("button", { name: "Draw" }).click();
  await page.waitForURL(/by=node/);
  check(await page.locator("table.mesh tbody tr").count() === 12, "twelve nodes");
  // A node does not probe itself: that is no loss and no missing data.
  check(await page.locator("table.mesh td.unprobed").count() === 12, "not probed, by the plan");
  await browser.judge(page, "mesh-node");

  await page.locator("table.mesh td.bad a").first().click();
  await page.waitForURL(/\/mesh\/pair/);
  await page.locator("#lost .u-over").first().waitFor();
  await page.locator("#spans-of-both-hosts .empty, #spans-of-both-hosts table").first().waitFor();
  check(await page.locator("#in-each-direction tbody tr").count() === 2, "both directions");
  check(await page.locator("#verdicts tbody tr", { hasText: "eu-2/b" }).count() === 1, "the verdict about the rack is one about the pair");
  await browser.judge(page, "mesh-pair");

  // A node of this host: its messages are beside it.
  const [{ source }] = await server.sql("select source from pings where source not like 'eu-%' limit 1");
  await page.goto(`${server.base}/mesh/pair?source=${encodeURIComponent(source)}&target=eu-2-b1`);
  check(await page.locator("#messages-of-both-hosts tbody tr").count() > 10, "messages of the host");
  await page.goto(`${server.base}/mesh/pair`);
  check((await page.locator(".empty").textContent()).includes("Which pair?"), "an address without a pair says so");

  // What nobody measured, and what hostile agents call themselves.
  await page.goto(`${server.base}/mesh?from=2001-01-01&to=2001-01-02`);
  check((await page.locator("#from-and-to").textContent()).includes("No node has measured anything"), "nothing in that time");
  await page.goto(`${server.base}/mesh/pair?source=${encodeURIComponent("<script>alert(1)</script>' or 1=1")}&target=b`);
  check(await page.locator(".fault").count() === 0 && (await page.locator("h1").textContent()).includes("<script>"), "a name is text");
}
