import { assertEquals } from "@std/assert";
import { json } from "../../src/formats/json.ts";
import { table } from "../../src/formats/table.ts";

const web = { type: "web", name: "a", location: "10.0.0.7:80", ttl: null };
const db = { type: "database", name: "primary", location: "[::1]:5432", ttl: 27 };
const plain = { color: false };

Deno.test("json: an array that newcomers and the original's scripts can read", () => {
  assertEquals(json([]), "[]\n");
  assertEquals(JSON.parse(json([web, db])), [
    { service: "web/a", ...web },
    { service: "database/primary", ...db },
  ]);
});

Deno.test("table: aligned columns", () => {
  assertEquals(table([], plain), "TYPE  NAME  LOCATION  TTL\n");
  assertEquals(
    table([web, db], plain),
    [
      "TYPE      NAME     LOCATION     TTL",
      "web       a        10.0.0.7:80  -",
      "database  primary  [::1]:5432   27s",
      "",
    ].join("\n"),
  );
});

Deno.test("table: the header is bold where colour is wanted", () => {
  assertEquals(table([], { color: true }), "\x1b[1mTYPE  NAME  LOCATION  TTL\x1b[22m\n");
});

Deno.test("table: wide characters take two columns, combined ones none of their own", () => {
  assertEquals(
    table([{ ...web, name: "日本" }, { ...web, name: "e\u0301" }, { ...web, name: "🚀" }], plain),
    [
      "TYPE  NAME  LOCATION     TTL",
      "web   日本  10.0.0.7:80  -",
      "web   e\u0301     10.0.0.7:80  -",
      "web   🚀    10.0.0.7:80  -",
      "",
    ].join("\n"),
  );
});

Deno.test("table: what could upset a terminal is shown as an escape", () => {
  const rows = table([{ ...web, location: "\x1b[2Jh:1\n" }], plain);
  assertEquals(rows.split("\n")[1], "web   a     \\u001b[2Jh:1\\u000a  -");
});
