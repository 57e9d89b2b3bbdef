// Traces: search, the waterfall by mouse and keyboard, other ways to look at a trace, services, files.
import { check } from "../browser.mjs";
import { HOSTILE } from "../server.mjs";

const text = (key, stringValue) => ({ key, value: { stringValue } });
const hex = (number, digits) => number.toString(16).padStart(digits, "0");

/** A shop that calls a bank; each third call of the bank fails. Names and values that would do something are among it. */
function spans(now) {
  const of = { shop: [], bank: [], [HOSTILE.script]: [] };
  const nanos = (millis) => `${Math.round(millis)}000000`;
  for (let trace = 1; trace <= 30; trace += 1) {
    const at = now - trace * 20_000;
    const add = (service, id, parent, name, from, takes, more = {}) => of[service].push({
      traceId: hex(trace, 32), spanId: hex(id, 16), ...(parent ? { parentSpanId: hex(parent, 16) } : {}), name, kind: 2,
      startTimeUnixNano: nanos(at + from), endTimeUnixNano: nanos(at + from + takes), attributes: [text("http.route", `/${trace % 3}`)], ...more,
    });
    add("shop", 1, 0, "checkout", 0, 100 + trace * 10);
    add("bank", 2, 1, "pay", 5, 60, trace % 3 ? {} : { status: { code: 2, message: "no money" } });
    add("bank", 3, 2, "book", 10, 40);
    add("shop", 4, 1, "mail", 70, 20);
    if (trace === 1) {
      add(HOSTILE.script, 5, 4, HOSTILE.image, 75, 5, {
        status: { code: 2, message: HOSTILE.formula },
        attributes: Object.entries(HOSTILE).map(([key, value]) => text(`${key}${value}`, value)),
        events: [{ timeUnixNano: nanos(at + 76), name: HOSTILE.image, attributes: [text(HOSTILE.script, HOSTILE.bidi)] }],
      });
    }
  }
  const resource = (name) => ({ attributes: [text("service.name", name), text("host.name", HOSTILE.attribute)] });
  return { resourceSpans: Object.entries(of).map(([name, spans]) => ({ resource: resource(name), scopeSpans: [{ spans }] })) };
}

export default async function traces(browser, server) {
  const sent = await fetch(`${server.otlp}/v1/traces`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(spans(Date.now())) });
  check(sent.ok, "spans are taken");
  await server.until("the spans in SQL", async () => (await server.sql("select count(*) as n from spans where service not like 'shop.%'"))[0].n >= 121);

  // The demo sends traces too, of other services.
  const page = await browser.open("/traces?filter=service%3Dshop");
  const rows = page.locator("#results tbody tr");
  await rows.nth(29).waitFor();
  check(await page.locator(".scatter .dot").count() === 30, "a dot for each trace");
  check(await page.locator(".scatter .dot.error").count() === 11, "errors are seen");
  await browser.judge(page, "traces-search");
  await page.locator("th a", { hasText: "duration" }).click();
  await page.waitForURL(/sort=longest/);
  check(/400 ms/.test(await rows.first().textContent()), "the longest of all comes first");
  await page.locator("form.find-traces input[name=filter]").fill("service=bank and status=error");
  await page.locator("form.find-traces select[name=results]").selectOption("spans");
  await page.locator("form.find-traces button.primary").click();
  await page.waitForURL(/results=spans/);
  check(await rows.count() === 10, "spans that failed");
  await page.locator("[data-save]").click();
  check(/service=bank/.test(await page.locator(".saved li a").textContent()), "a search is kept");
  await page.locator("form.find-traces input[name=filter]").fill("servce=bank");
  await page.locator("form.find-traces button.primary").click();
  await page.locator(".fault", { hasText: "servce" }).waitFor();

  const trace = await browser.open("/traces/1");
  const spansShown = trace.locator("ol.waterfall > li");
  check(await spansShown.count() === 5, "each span has a row");
  check(await trace.locator(".critical").count() > 3, "the critical path is marked");
  await trace.keyboard.press("j");
  await trace.keyboard.press("j");
  await trace.keyboard.press("Enter");
  await trace.locator("ol.waterfall details[open] .detail").waitFor();
  await browser.judge(trace, "traces-waterfall");
  const small = await trace.locator("svg.minimap").boundingBox();
  const wide = await trace.locator(".bar-track .span-bar").count();
  await trace.mouse.move(small.x + small.width * 0.7, small.y + 20);
  await trace.mouse.down();
  await trace.mouse.move(small.x + small.width * 0.9, small.y + 30, { steps: 4 });
  await trace.mouse.up();
  await trace.waitForURL(/zoom=\d+-\d+/);
  check(await trace.locator(".bar-track .span-bar").count() < wide, "bars of other times are gone");
  await browser.judge(trace, "traces-zoomed");
  await trace.locator(".ruler a", { hasText: "whole time" }).click();
  await trace.locator(".bar-track .span-bar").nth(wide - 1).waitFor();
  await trace.locator("a.fold").first().click();
  await trace.waitForURL(/closed=/);
  check(await spansShown.count() === 1, "what is below a span can be hidden");
  await trace.keyboard.press("j");
  await trace.keyboard.press("l");
  await spansShown.nth(4).waitFor();
  const hostile = await browser.open("/traces/1?span=0000000000000005");
  await hostile.locator("details[open] .detail").waitFor();
  await browser.judge(hostile, "traces-hostile");
  const csv = await (await fetch(`${server.base}/traces/1/export?format=csv`)).text();
  check(csv.includes("'=HYPERLINK") && !/(^|,)"?=HYPERLINK/m.test(csv), "no formula in CSV");
  for (const way of ["flame", "statistics", "calls", "graph"]) {
    const other = await browser.open(`/traces/1?way=${way}`);
    check(await other.locator(".fault").count() === 0, `${way} is shown`);
    await browser.judge(other, `traces-${way}`);
  }
  for (const [path, shown] of [["/traces/services", "#services tbody tr"], ["/traces/map", "svg.map .node"], ["/traces/compare?filter=status%3Derror", "table.compare tbody tr"], ["/traces/live", "#as-they-arrive tbody tr"]]) {
    const other = await browser.open(path);
    await other.locator(shown).first().waitFor();
    await browser.judge(other, path.replace(/\?.*/, "").slice(1).replace("/", "-"));
  }
  check((await (await fetch(`${server.base}/traces/77`)).status) === 404, "a trace that is not there");
  for (const format of ["jaeger", "otlp", "csv", "parquet"]) check((await fetch(`${server.base}/traces/1/export?format=${format}`)).ok, `a file of ${format}`);

  const file = Buffer.from(await (await fetch(`${server.base}/traces/1/export?format=jaeger`)).arrayBuffer());
  const upload = await browser.open("/traces");
  await upload.locator("details summary", { hasText: "Open a trace file" }).click();
  await upload.locator("form[data-upload] input[type=file]").setInputFiles({ name: "trace.json", mimeType: "application/json", buffer: file });
  await upload.waitForURL(/upload/);
  check(/checkout/.test(await upload.locator("main").textContent()), "a file is shown");
  await browser.judge(upload, "traces-upload");
}
