// Messages: search, histogram, fields, rows, one message with its context.
import { HOSTILE } from "../server.mjs";
import { check, drag } from "../browser.mjs";

const filter = (page) => new URL(page.url()).searchParams.get("filter");

export default async function messages(browser, server) {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  await server.send({ type: "needle", logger: "haystack", severity: 4, payload: "one \"needle\" in a haystack", tokens: ["sharp"], fields: { trace_id: trace, ms: 700 } });
  await server.until("the message is seen", async () => (await server.sql("select count(*) as n from messages where type = 'needle'"))[0].n > 0);

  const page = await browser.open("/messages?from=-15m");
  await page.locator("#over-time .u-over").waitFor();
  check(await page.evaluate(() => document.querySelector("#over-time figure").metlogPlot.data[1].some((value) => value > 0)), "the histogram has points");
  check(await page.locator("#rows tbody tr").count() > 50, "there are rows");
  check((await page.locator("#rows .pages").textContent()).includes("Rows 1 to 100"), "the rows are counted");
  await browser.judge(page, "messages");

  // By severity, and a range that is dragged; Back leads where one was.
  await page.getByRole("link", { name: "by severity" }).click();
  await page.locator("#over-time .legend", { hasText: "6 info" }).waitFor();
  await drag(page, "#over-time", 0.5, 0.95);
  await page.waitForURL(/from=20/);
  check(page.url().includes("by=severity"), "the range keeps what is shown");
  await page.goBack();
  check(page.url().includes("from=-15m"), "Back leads to the range before");

  // Text search with what is found marked; the quotes stay what they are.
  await page.locator("#filter").fill("\"needle\\\" in\" severity<=warning");
  await page.locator("#filter").press("Enter");
  await page.locator("#rows mark").first().waitFor();
  check((await page.locator("#rows mark").first().textContent()) === "needle\" in", "what was searched for is marked");
  check((await page.locator(".chip").count()) === 2, "each part of the filter is shown");
  await page.locator("details.sql summary").click();
  check((await page.locator("details.sql pre").textContent()).includes("contains(payload, 'needle\" in')"), "the filter shows its SQL");

  // A row opens in place, and its values filter.
  await page.locator("#rows button.open").first().click();
  await page.locator("tr.opened .fields").waitFor();
  check((await page.locator("tr.opened pre").textContent()) === "one \"needle\" in a haystack", "the payload is as it was sent");
  check((await page.locator("tr.opened a.trace").getAttribute("href")).includes(`/traces/${trace}`), "a message leads to its trace");
  await browser.axeOf(page, "an open message");
  await page.locator("tr.opened tr", { hasText: "trace_id" }).getByTitle("Only this value").click();
  await page.waitForURL(/trace_id/);
  check(filter(page).endsWith(`and fields.trace_id=${trace}`), `the filter grew: ${filter(page)}`);
  await page.locator(".chip a").first().click();
  await page.waitForURL((url) => !url.search.includes("needle%5C"));
  check(filter(page).startsWith("severity<=4 and fields.trace_id="), `a part is taken out: ${filter(page)}`);

  // Its own address, with the messages around it.
  await page.locator("#rows a.row").first().click();
  await page.locator("#before-and-after tr.this").waitFor();
  await page.getByRole("link", { name: "of everything" }).click();
  await page.waitForURL(/context=all/);
  check(await page.locator("#before-and-after tbody tr").count() > 5, "there is context");
  await browser.judge(page, "message");

  // Fields: in and out, and as a column.
  await page.goto(`${server.base}/messages?from=-15m`);
  await page.locator("#fields .facet", { hasText: "type" }).first().locator(".in", { hasText: "checkout" }).click();
  await page.waitForURL(/checkout/);
  check(filter(page) === "type=checkout", "a value is clicked in");
  check((await page.locator("#fields .facet").first().locator("li").count()) === 1, "the list follows the filter");
  await page.goto(`${server.base}/messages?from=-15m`);
  await page.locator("#fields .facet", { hasText: "logger" }).first().locator("li", { hasText: "shop.web" }).locator(".out").click();
  await page.waitForURL(/logger/);
  check(filter(page) === "logger!=shop.web", "a value is clicked out");
  await page.locator("#fields .facet", { hasText: "cents" }).locator("summary").click();
  await page.locator("#fields .facet", { hasText: "cents" }).locator("a.column").click();
  await page.locator("#rows th", { hasText: "fields.cents" }).waitFor();

  // What is wrong is said where it is, and what was probably meant is a link.
  await page.goto(`${server.base}/messages?filter=logger%3Da%20tipe%3Dlogin`);
  check((await page.locator("mark.wrong").textContent()) === "tipe=login", "the wrong word is marked");
  await browser.judge(page, "messages-wrong");
  await page.locator(".fault a").click();
  await page.waitForURL(/type/);
  check(filter(page) === "logger=a type=login", `what was meant is taken: ${filter(page)}`);

  // Hostile messages stay text: in rows, in the list, in the address, in one message.
  await page.goto(`${server.base}/messages?from=-15m&filter=${encodeURIComponent("payload~\"hacked|evil|red|HYPERLINK|lt;b\"")}&columns=severity,type,logger,hostname,tokens,fields,payload`);
  check((await page.locator("#rows tbody tr").count()) >= Object.keys(HOSTILE).length - 1, "the hostile messages are there");
  check((await page.locator("#rows tbody").textContent()).includes(HOSTILE.image), "they are text");
  await page.locator("#rows button.open").nth(1).click();
  await page.locator("tr.opened .fields").waitFor();
  await browser.judge(page, "messages-hostile");
}
