// Explore: run, cancel, errors, history, files, without a script.
import { check, drag } from "../browser.mjs";

const SLOW = "select count(*) as n from range(100000) a cross join range(1000000) b where a.value * b.value % 7 = 3";

export default async function explore(browser, server) {
  const buckets = "select count(distinct time_bucket(interval '5 seconds', timestamp)) as n from messages where timestamp > now() - interval '5 minutes'";
  await server.until("there is enough for a chart", async () => (await server.sql(buckets))[0].n > 3);
  const page = await browser.open("/explore?from=-5m");
  const editor = page.locator(".editor .cm-content");
  await editor.waitFor();
  const type = async (sql) => {
    await editor.click();
    await page.keyboard.press("Control+A");
    for (const [at, line] of sql.split("\n").entries()) {
      // Enter alone would take what is offered for completion.
      if (at > 0) await page.keyboard.press("Shift+Enter");
      await page.keyboard.insertText(line);
    }
  };
  // The example is there.
  await page.locator("button.primary").click();
  await page.locator("#result .suggested .u-over").waitFor();
  check(/rows in/.test(await page.locator(".sum").textContent()), "it is said what it came to");
  check(await page.locator("#result tbody tr").count() > 3, "rows");
  await browser.judge(page, "explore");
  const address = page.url();
  check(address.includes("sql="), "the query is in the address");
  await drag(page, "#result", 0.2, 0.7);
  await page.waitForURL(/from=20/);
  await page.goBack();

  await type("select typ\nfrom messages");
  await page.keyboard.press("Control+Enter");
  const message = page.locator("#result .fault .message");
  await message.waitFor();
  check((await message.textContent()).includes("`type`"), "the nearest right name is said");
  await page.locator(".editor .cm-lintRange-error").waitFor();
  check((await page.locator(".editor .cm-lintRange-error").textContent()) === "typ", "the mistake is marked at its place");
  await browser.judge(page, "explore-error");

  // A selection runs by itself; and its mistakes are where they are.
  await type("select 1 as one;\nselect 2 as two");
  await page.keyboard.press("Shift+Home");
  await page.keyboard.press("Control+Enter");
  await page.locator("#result th", { hasText: "two" }).waitFor();

  await type("select ty");
  await page.locator(".editor .cm-tooltip-autocomplete").waitFor();
  await page.keyboard.press("Escape");

  // More rows than are shown, and a few that come long before the end.
  await type("select value from range(2500)");
  await page.keyboard.press("Control+Enter");
  await page.locator("#result .banner", { hasText: "first 1,000 of 2,500 rows" }).waitFor();
  await type("select 1 as n where false");
  await page.keyboard.press("Control+Enter");
  await page.locator("#result .empty", { hasText: "no rows" }).waitFor();

  await type(SLOW);
  await page.keyboard.press("Control+Enter");
  await page.locator("#result .progress", { hasText: /Running for [0-9.]+ s/ }).last().waitFor();
  check(await page.locator("#result table").count() === 0, "progress comes before the first row");
  await page.locator("[data-cancel]").click();
  await page.locator("#result .banner", { hasText: "Cancelled" }).waitFor();
  const left = async () => Number((await (await fetch(`${server.base}/metrics`)).text()).match(/ended_total\{reason="left"\} (\d+)/)[1]);
  await server.until("the cancelled query ends on the server", async () => (await left()) >= 1);
  const before = await left();
  const tab = await browser.open("/explore");
  await tab.evaluate((sql) => { fetch(`/explore/result?sql=${encodeURIComponent(sql)}`); }, SLOW);
  await tab.waitForTimeout(500);
  await tab.close();
  await server.until("closing the tab ends its query", async () => (await left()) > before);

  await page.goto(address);
  check(await page.locator("#history li").count() >= 3, "the history survives a reload");
  for (const [format, type] of [["csv", "text/csv"], ["json", "application/json"], ["arrow", "application/vnd.apache.arrow.stream"], ["parquet", "application/vnd.apache.parquet"]]) {
    const file = await fetch(`${server.base}/explore/export?format=${format}&sql=${encodeURIComponent("select payload from messages where payload like '=%'")}`);
    check(file.ok && file.headers.get("content-type").startsWith(type), `a file of ${format}`);
    const text = await file.text();
    if (format === "csv") check(text.includes("'=HYPERLINK"), `no formula in CSV: ${text}`);
  }
  await page.goto(`${server.base}/explore?sql=${encodeURIComponent("select * from messages where severity = 3 and type like '%<%'")}`);
  await page.locator("#result tbody tr").first().waitFor();
  check((await page.locator("#result").textContent()).includes("<script>window.hacked"), "a hostile message is text");
  await browser.judge(page, "explore-hostile");
  await page.goto(`${server.base}/explore?sql=${encodeURIComponent("select payload from messages where payload like 'evil%' or payload like '%red%'")}`);
  const shown = await page.locator("#result").textContent();
  check(shown.includes("U+202E") && shown.includes("U+001B"), `what steers a display is seen: ${shown}`);

  // Without a script it is a form and a page.
  const plain = await (await fetch(`${server.base}/explore?sql=${encodeURIComponent("select 41 + 1 as n")}`)).text();
  check(plain.includes("<td class=\"n\">42</td>") && plain.includes("</textarea>"), "the result is in the page itself");
}
