/** The page in a real browser, with a real etcd behind the server. */
import { assert, assertEquals } from "@std/assert";
import {
  assertClean,
  button,
  isShown,
  names,
  opener,
  row,
  state,
  testPage as test,
  web,
} from "../../support/page.ts";
import { until } from "../../support/pause.ts";
import { connect, registerWeb, start } from "../../support/program.ts";
import { serving } from "../../support/serving.ts";

test(
  "the page shows what is registered within a second, and loses what is killed after its TTL",
  async (browser, etcd) => {
    await using server = await serving(etcd);
    await web(server, "one");
    const page = await browser.open(server.url);
    await page.until(isShown("one"));
    assertEquals(await page.get(`${row("one")}.querySelector("a").href`), "http://one/");
    await using process = start([...registerWeb, "--ttl", "2", "--refresh-every", "1"], connect(etcd));
    await until("it is registered", () => server.view.services.get("web", "a") !== undefined);
    const registered = performance.now();
    await page.until(isShown("a"), 2);
    assert(performance.now() - registered < 1000, `${performance.now() - registered} ms`);
    await page.until(`${row("h:1")}.classList.contains("changed")`);
    await page.until(`!${row("h:1")}.classList.contains("changed")`);
    await page.until(`parseFloat(${row("h:1")}.querySelector(".bar > span").style.width) > 0`);
    const killed = performance.now();
    process.signal("SIGKILL");
    await page.until(`!${isShown("a")}`, 8);
    assert(performance.now() - killed > 500, "it stays until its TTL is over");
    await page.until(`document.querySelector("#tab-services .count").textContent === "1"`);
    assertClean(page, server);
  },
);

test("the page filters, groups and opens by keyboard, and its address keeps that", async (browser, etcd) => {
  await using server = await serving(etcd);
  await web(server, "one", "two");
  await server.registry.services.register({ type: "db", name: "main", location: "unix:/run/db.sock" });
  await server.registry.switches.set("features/x", "on");
  const page = await browser.open(server.url);
  await page.until(`${names}.length === 3`);
  assertEquals(await page.get(`document.querySelectorAll("tr.group").length`), 2);
  await page.press("/");
  await page.type("WEB tw");
  await page.until(`${names}.join() === "two"`);
  assertEquals(await page.get("location.search"), "?q=WEB+tw");
  assertEquals(await page.get(`document.querySelector("#tab-services .count").textContent`), "1 of 3");
  await page.send("Page.reload");
  await page.until(`document.readyState === "complete" && ${names}.join() === "two"`);
  await page.press("/", "ArrowDown", "ArrowDown", "Enter");
  await page.until(`document.querySelector("dialog[open] h2")?.textContent === "web/two"`);
  assertEquals(await page.get(`document.querySelectorAll("dialog button").length`), 1);
  await page.press("Escape", "Home", "Enter");
  // The group is folded.
  await page.until(`${names}.length === 0`);
  await page.click(`document.getElementById("grouped")`);
  await page.until(`${names}.join() === "two" && location.search.includes("flat")`);
  await page.click(`document.getElementById("tab-services")`);
  await page.press("ArrowRight");
  await page.until(`location.search.includes("tab=switches")`);
  await page.get(
    `document.getElementById("filter").value = ""; document.getElementById("filter").dispatchEvent(new Event("input"))`,
  );
  await page.until(
    `document.querySelector("#switches tbody").parentElement.innerText.includes("features/x")`,
  );
  await page.click(`document.getElementById("tab-etcd")`);
  await page.until(`document.getElementById("etcd").innerText.includes("reachable")`);
  for (const width of [1200, 390]) {
    await page.resize({ width, height: 700 });
    for (const tab of ["services", "switches", "etcd"]) {
      await page.get(`document.getElementById("tab-${tab}").click()`);
      const wide = await page.get(
        `[document.body.scrollWidth, document.getElementById("${tab}").scrollWidth]`,
      );
      assertEquals([width, tab, ...wide], [width, tab, width, width]);
    }
  }
  assertClean(page, server);
});

test("the page pauses, resumes, unregisters and toggles, after asking once", async (browser, etcd) => {
  await using server = await serving(etcd, { uiWrite: true });
  await web(server, "one");
  await server.registry.switches.set("features/x", "on");
  const page = await browser.open(server.url);
  await page.until(isShown("one"));
  await page.click(opener("one"));
  await page.click(button("Pause…"));
  await page.type("new disk");
  assertEquals(server.view.services.get("web", "one")?.out, undefined);
  await page.press("Enter");
  await page.until(`${state("one")} === "maintenance"`);
  assertEquals(server.view.services.get("web", "one")?.out?.reason, "new disk");
  await page.until(`!document.getElementById("dialog").open`);
  await page.click(opener("one"));
  assertEquals(
    await page.get(`document.querySelector("dialog").innerText.includes("maintenance: new disk")`),
    true,
  );
  await page.click(button("Resume…"));
  await page.press("Enter");
  await page.until(`${state("one")} === "up"`);
  // What is refused is said, and the dialog stays.
  await page.until(`!document.getElementById("dialog").open`);
  await page.click(opener("one"));
  await page.click(button("Pause…"));
  await page.get(`document.querySelector("dialog [type=number]").value = "1"`);
  await page.press("Enter");
  await page.until(
    `document.querySelector("dialog .error").textContent.includes("nobody keeps it registered")`,
  );
  await page.click(button("Cancel"));
  await page.click(opener("one"));
  await page.click(button("Unregister…"));
  await page.press("Enter");
  await page.until(`${names}.length === 0`);
  await page.click(`document.getElementById("tab-switches")`);
  await page.until(`${row("features/x")} !== undefined`);
  await page.click(opener("features/x"));
  await page.press("Enter");
  await page.until(`${row("features/x")}.textContent.includes("no")`);
  assertEquals(server.logged.filter((line) => line.includes("asked by 127.0.0.1")).length, 5);
  assertEquals(page.errors.filter((text) => !text.includes("409")), []);
});

test("hostile names, locations and reasons are text, in their place", async (browser, etcd) => {
  const script = "<script>hit()</script><img src=x onerror=hit()>";
  const turned = "\u202Egnp.exe";
  await etcd.putMany([
    [`/foo/service/${script.replaceAll("/", "")}/${script.replaceAll("/", "")}`, script],
    [`/foo/service/web/${turned}`, "javascript:hit()"],
    ["/foo/service/web/long", `http://h/${"x".repeat(4000)}`],
    ["/foo/service/web/quoted", `http://h/"onmouseover="hit()`],
    ["/foo/service/web/שלום", "http://user:pw@h/"],
    ["/foo/service/web/__proto__", "https:hit"],
    [`/foo/switch/${turned}`, script],
    [
      "/foo/service-meta/web/paused",
      JSON.stringify({ state: "maintenance", reason: script, location: "h:1", since: script, tags: ["a"] }),
    ],
  ]);
  await using server = await serving(etcd, { uiWrite: true });
  const page = await browser.open(server.url);
  await page.get("globalThis.hits = 0; globalThis.hit = () => globalThis.hits++");
  await page.until(`${names}.length === 7`);
  const html = await page.get(
    `document.querySelectorAll("main script, main img, main [onmouseover], main [onerror]").length`,
  );
  assertEquals(html, 0);
  assertEquals(await page.get(isShown("\\u{202e}gnp.exe")), true);
  const links = await page.get(
    `[...document.querySelectorAll("main a")].map(({ protocol, rel }) => [protocol, rel])`,
  );
  assertEquals(links, Array(3).fill(["http:", "noopener noreferrer"]));
  for (const name of ["long", "quoted", "__proto__", "paused", "gnp", "<script"]) {
    await page.click(opener(name));
    const { right, bottom } = await page.get(
      `document.getElementById("dialog").getBoundingClientRect().toJSON()`,
    );
    assert(right <= 1200 && bottom <= 800, `${name}: ${right} ${bottom}`);
    await page.press("Escape");
  }
  assertEquals(await page.get("document.documentElement.scrollWidth"), 1200);
  assertEquals(
    await page.get(
      `new Set([...document.querySelectorAll("#services tbody tr:not(.space)")].map((row) => row.offsetHeight)).size`,
    ),
    1,
  );
  await page.click(opener("gnp"));
  await page.click(button("Unregister…"));
  await page.press("Enter");
  await page.until(`${names}.length === 6`);
  await page.click(`document.getElementById("tab-switches")`);
  await page.until(`document.getElementById("switches").innerText.includes("\\\\u{202e}gnp.exe")`);
  assertEquals(await page.get("hits"), 0);
  assertClean(page, server);
});

test(
  "10,000 instances are filtered within 100 ms, and only those that are seen are drawn",
  async (browser, etcd) => {
    const entries = Array.from({ length: 10_000 }, (_, i): [string, string] => [
      `/foo/service/type-${i % 40}/name-${i}`,
      `http://10.0.${i >> 8}.${i & 255}:80/`,
    ]);
    await etcd.putMany(entries);
    await using server = await serving(etcd);
    const page = await browser.open(server.url);
    await page.until(`document.querySelector("#tab-services .count").textContent === "10000"`);
    const drawn = `document.querySelectorAll("#services tbody tr").length`;
    assert(await page.get(drawn) < 80);
    const measure = (): Promise<number[]> =>
      page.get(`(async () => {
    const filter = document.getElementById("filter");
    const times = [];
    for (const text of ["n", "name-99", "name-9999", "type-7 10.0.3", ""]) {
      const began = performance.now();
      filter.value = text;
      filter.dispatchEvent(new Event("input"));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times.push(Math.round(performance.now() - began));
    }
    return times;
  })()`);
    // The best of some, as other tests run on the machine.
    const rounds = [await measure(), await measure(), await measure()];
    const took = [0, 1, 2, 3, 4].map((i) => Math.min(...rounds.map((times) => times[i] ?? Infinity)));
    assert(took.every((ms) => ms < 100), took.join(" ms, "));
    await page.get(`document.querySelector("#services table").focus()`);
    await page.press("End");
    await page.until(`${names}.at(-1) === "name-9969"`);
    assert(await page.get(drawn) < 80);
    assertClean(page, server);
  },
);
