// Logging in, who is logged in, logging out, and a session that ends while a page is open.
import { check } from "../browser.mjs";

const PASSWORD = "correct horse <battery>";

export default async function login(browser, server) {
  await server.guarded(PASSWORD, async (base) => {
    const page = await browser.open("/explore?sql=select+1+as+one", { base });
    check(new URL(page.url()).pathname === "/login", "who is nobody is asked who it is");
    await browser.judge(page, "login");
    const enter = async (of, password) => {
      await of.locator("input[name=user]").fill("ann");
      await of.locator("input[name=password]").fill(password);
      await of.keyboard.press("Enter");
    };
    await enter(page, "wrong");
    await page.locator(".banner.bad", { hasText: "wrong" }).waitFor();
    check(await page.locator("input[name=user]").inputValue() === "ann", "the name stays");
    check(await page.evaluate(() => document.activeElement.name) === "password", "and the password is asked for again");
    await browser.judge(page, "login-wrong");
    await enter(page, PASSWORD);
    await page.locator("#result td", { hasText: "1" }).waitFor();
    check(page.url().startsWith(`${base}/explore?sql=`), "one is where one wanted to be");
    check((await page.locator(".user .name").textContent()) === "ann", "it says who is logged in");
    await browser.judge(page, "logged-in");

    // Another tab ends the session; what is open leads to the login by itself, and back.
    const live = await browser.open("/live", { base });
    await live.locator(".connection.on").waitFor();
    const overview = await browser.open("/", { base });
    await page.locator(".user button").click();
    await page.waitForURL(/\/login/);
    check((await browser.context.cookies(base)).length === 0, "the cookie is gone");
    await overview.waitForURL(/\/login/);
    await live.reload();
    check(new URL(live.url()).pathname === "/login", "nothing is shown without a session");

    // A cookie whose session is over.
    await browser.context.addCookies([{ name: "metlog_session", value: "0".repeat(64), url: base }]);
    const late = await browser.open("/messages", { base });
    await late.locator(".banner.warn", { hasText: "session has ended" }).waitFor();
    await enter(late, PASSWORD);
    await late.waitForURL(/\/messages/);
    await late.evaluate(() => fetch("/logout", { method: "POST" }));
    const status = await late.evaluate(async () => (await fetch("/explore/result?sql=select+1")).status);
    check(status === 401, `a query without a session is refused: ${status}`);
    await browser.context.clearCookies();
  });
}
