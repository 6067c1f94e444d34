/** Takes the pictures of the page that docs/serve.md shows: `tools/run pictures`. */
import { Browser, type Page } from "../tests/support/browser.ts";
import { Etcd } from "../tests/support/etcd.ts";
import { pause, until } from "../tests/support/pause.ts";
import { button, isShown, opener } from "../tests/support/page.ts";
import { serving, type ServingHere } from "../tests/support/serving.ts";

const folder = new URL("../docs/", import.meta.url);

/** Milliseconds after which no change is shown as new any more, and TTLs are known. */
const quiet = 3500;

async function fill({ registry: { services, switches } }: ServingHere): Promise<void> {
  const metadata = (tags: string[], weight = 1) => ({ tags, meta: { zone: "eu-1" }, weight });
  for (const [i, ttl] of [30, 12, 60].entries()) {
    await services.register({
      type: "web",
      name: `web-${i + 1}`,
      location: `http://10.0.0.${i + 1}:8080/`,
      metadata: metadata(i === 2 ? ["v2", "canary"] : ["v1"], i + 1),
    }, ttl);
  }
  await services.register({
    type: "web",
    name: "web-4",
    location: "http://10.0.0.4:8080/",
    metadata: metadata(["v1"]),
  });
  await services.pause({ type: "web", name: "web-4" }, { reason: "new disk", seconds: undefined });
  await services.register(
    { type: "db", name: "main", location: "10.0.1.1:5432", metadata: metadata([]) },
    30,
  );
  await switches.set("features/search", "on");
}

async function take(page: Page, name: string): Promise<void> {
  await Deno.writeFile(new URL(`page-${name}.png`, folder), await page.picture());
}

await using etcd = await Etcd.start();
await using server = await serving(etcd, { uiWrite: true, version: "0.1.0" });
await fill(server);
await until("all is there", () => server.view.services.size === 5);
await using browser = await Browser.start();
const page = await browser.open(server.url, { width: 1000, height: 340 });
await page.until(isShown("web-4"));
await pause(quiet);
await take(page, "services");
await page.prefer("dark");
await page.click(opener("web-2"));
await page.click(button("Pause…"));
await page.type("new disk");
await take(page, "pause");
await page.press("Escape");
await page.resize({ width: 390, height: 520 });
await etcd.signal("SIGSTOP");
await page.until(`!document.getElementById("banner").hidden`, 20);
await pause(quiet);
await take(page, "phone");
