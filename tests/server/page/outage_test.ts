/** The page while the server is cut off from etcd, and while the page is cut off from the server. */
import { assertEquals } from "@std/assert";
import { assertClean, isShown, testPage as test, web } from "../../support/page.ts";
import { until } from "../../support/pause.ts";
import { get, serving } from "../../support/serving.ts";

/** Has the page believe that somebody looks at it, or nobody. */
const look = (state: "visible" | "hidden"): string =>
  `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"))`;

test(
  "a page that nobody looks at leaves its connection to others, and catches up when it is looked at",
  async (browser, etcd) => {
    await using server = await serving(etcd);
    await web(server, "one");
    const page = await browser.open(server.url);
    await page.until(isShown("one"));
    const streams = async (): Promise<number> =>
      JSON.parse((await get(`${server.url}/api/status`)).text).streams;
    assertEquals(await streams(), 1);
    await page.get(look("hidden"));
    await until("the stream has ended", async () => await streams() === 0);
    await web(server, "two");
    await until("it is there", () => server.view.services.size === 2);
    assertEquals(await page.get(isShown("two")), false);
    await page.get(look("visible"));
    await page.until(isShown("two"), 2);
    assertClean(page, server);
  },
);

test(
  "a banner tells that the server is cut off from etcd, or the page from the server; both come back",
  async (browser, etcd) => {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, "0123456789abcdef\n");
    await using server = await serving(etcd, { tokenFile: file });
    await web(server, "one");
    const page = await browser.open(server.url);
    // Without a token there is nothing, and a wrong one is asked for again.
    for (
      const [token, said] of [["wrong", "wants a token"], ["0123456789abcdef", "does not know"]] as const
    ) {
      await page.until(`document.querySelector("dialog[open]")?.innerText.includes("${said}") ?? false`);
      await page.type(token);
      await page.press("Enter");
    }
    await page.until(isShown("one"));
    const banner = `document.getElementById("banner").innerText`;
    assertEquals(await page.get(banner), "");
    await etcd.signal("SIGSTOP");
    await page.until(`${banner}.includes("has not heard etcd")`, 20);
    assertEquals(await page.get(isShown("one")), true);
    // A page that is opened now says so as well.
    await page.send("Page.reload");
    await page.until(`document.readyState === "complete" && ${isShown("one")}`);
    assertEquals(await page.get(`${banner}.includes("has not heard etcd")`), true);
    await etcd.signal("SIGCONT");
    await page.until(`${banner} === ""`, 20);
    await server.stop();
    await page.until(`${banner}.includes("No news from the server")`);
    assertEquals(await page.get(isShown("one")), true);
    await Deno.remove(file);
  },
);
