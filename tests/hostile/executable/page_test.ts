/** The page of an executable, whose runtime cannot import text: the bundle holds it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { connect, start } from "../../support/program.ts";
import { get } from "../../support/serving.ts";
import { files } from "../../../src/server/page/assets.ts";

Deno.test("the executable has every file of the page", async () => {
  await using etcd = await Etcd.start();
  const [port] = freePorts(1);
  await using running = start(["serve", "--http", `127.0.0.1:${port}`], connect(etcd));
  await running.said("read 0 instances");
  const url = `http://127.0.0.1:${port}`;
  assertStringIncludes((await get(`${url}/`)).text, 'src="page/main.js"');
  for (const [name, text] of files) assertEquals((await get(`${url}/page/${name}`)).text, text);
});
