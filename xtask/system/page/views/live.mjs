// Live: rows arrive, pause, the rate, the filter, reconnecting.
import { HOSTILE } from "../server.mjs";
import { check } from "../browser.mjs";

export default async function live(browser, server) {
  const page = await browser.open("/live");
  const rows = page.locator("#live tbody tr");
  await rows.first().waitFor();
  const first = await rows.first().textContent();
  await server.until("it moves", async () => (await rows.first().textContent()) !== first);
  await page.locator(".counts", { hasText: "matching messages a second" }).waitFor();
  check((await page.locator(".connection").textContent()) === "Connected", "it says that it is connected");

  // Paused: what comes is counted, and what is seen stays.
  await page.locator(".pause").click();
  const held = await rows.first().textContent();
  await page.locator(".waiting", { hasText: "waiting" }).waitFor();
  check((await rows.first().textContent()) === held, "what is seen stays");
  await browser.judge(page, "live");
  await page.locator(".pause").click();
  await server.until("it goes on", async () => (await rows.first().textContent()) !== held);

  // More than a person can read: x of y.
  await page.goto(`${server.base}/live?rate=5`);
  await server.until("it says how many are not shown", async () => {
    await server.send(...Array.from({ length: 50 }, (_, n) => ({ type: "burst", payload: `${n}` })));
    return /Showing \d+ of [\d,]+ matching/.test(await page.locator(".counts").textContent());
  });

  // The server filters; hostile messages stay text.
  await page.goto(`${server.base}/live?filter=${encodeURIComponent("logger~hacked or logger~\u202e")}`);
  await page.locator(".connection.on").waitFor();
  await server.send(...Object.values(HOSTILE).map((text) => ({ type: text, logger: text, payload: text, tokens: [text], fields: { [text]: text } })));
  await page.locator("#live td.payload", { hasText: "onmouseover" }).waitFor();
  check((await rows.allTextContents()).every((text) => /hacked|evil/.test(text)), "nothing else is shown");
  await page.locator("#live button.open").first().click();
  await page.locator("tr.opened dd").first().waitFor();
  await browser.judge(page, "live-hostile");

  // Nobody looks: it stops; somebody looks again: it goes on, and says what was missed.
  await page.goto(`${server.base}/live`);
  await rows.first().waitFor();
  const hide = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  await page.locator(".connection", { hasText: "Stopped" }).waitFor();
  await hide(false);
  await page.locator("tr.missed", { hasText: "while this page was hidden" }).waitFor();

  // The connection breaks: it is taken up again.
  await page.route("**/api/tail*", (route) => route.abort());
  await hide(true);
  await hide(false);
  await page.locator(".connection", { hasText: "Trying again" }).waitFor();
  await page.unroute("**/api/tail*");
  await page.locator(".connection.on").waitFor();
}
