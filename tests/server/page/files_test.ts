/** What the page is made of, as it is sent. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { get, serving, test } from "../../support/serving.ts";

test("the page needs no token, is below 40 KB, and may load nothing from elsewhere", async () => {
  await using etcd = await Etcd.start();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "0123456789abcdef\n");
  await using server = await serving(etcd, { tokenFile: file });
  const index = await get(`${server.url}/?q=web`);
  assertEquals([index.status, index.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
  const policy = index.headers.get("content-security-policy") ?? "";
  for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
    assertStringIncludes(policy, rule);
  }
  assert(!policy.includes("unsafe") && !/https?:|\*/.test(policy), policy);
  assertEquals(index.headers.get("x-content-type-options"), "nosniff");
  assert(
    !/<script[^>]*>[^<]|<style|style=|\son\w+=/.test(index.text),
    "nothing in the document is carried out",
  );
  let size = index.text.length;
  const seen = new Set<string>();
  const wanted = [...index.text.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map(([, path = ""]) => path);
  for (let path; (path = wanted.pop()) !== undefined;) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { status, text, headers } = await get(`${server.url}/${path}`);
    assertEquals([path, status], [path, 200]);
    assertMatch(
      headers.get("content-type") ?? "",
      path.endsWith(".css") ? /^text\/css/ : /^text\/javascript/,
    );
    size += new TextEncoder().encode(text).length;
    wanted.push(...[...text.matchAll(/from "\.\/([^"]+)"/g)].map(([, name]) => `page/${name}`));
  }
  assert(seen.size > 10 && size < 40_000, `${size} bytes`);
  assertEquals((await get(`${server.url}/page/none.js`)).status, 404);
  assertEquals((await get(`${server.url}/api/services`)).status, 401);
  await Deno.remove(file);
});
