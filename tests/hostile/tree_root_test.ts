/** No tree root takes what another one stored for its own. */
import { assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../src/errors.ts";
import {
  instanceKey,
  maintenanceKey,
  metadataKey,
  parseTreeRoot,
  prefixOf,
} from "../../src/registry/instance.ts";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";

Deno.test("a tree root that another one would look into is refused, by option and variable", async () => {
  for (
    const root of [
      "/o/service",
      "o/service/",
      "/service",
      "/o/switch",
      "/switch",
      "/switch/a",
      "/o/switch/a/b",
    ]
  ) {
    assertThrows(
      () => parseTreeRoot(root),
      InvalidValueError,
      'without "service", "service-meta" or "service-maintenance" as its last part',
    );
    const options = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: root };
    const { code, stderr } = await empusa(["switch", "list"], options);
    assertEquals([root, code], [root, 2]);
    assertEquals(
      stderr.split("\n")[0],
      'empusa: --tree-root (EMPUSA_TREE_ROOT) must be a path without "service", "service-meta" or "service-maintenance" as its last part and without any part ' +
        `"switch", as the tree root above would take what is stored there for its own, not ${
          JSON.stringify(root)
        }`,
    );
  }
  for (const root of ["/services", "/o/service/a", "/switches/a", "/my-switch"]) parseTreeRoot(root);
});

Deno.test("of tree roots inside each other each sees its own, and nothing else", async () => {
  await using etcd = await Etcd.start();
  const roots = ["/", "/o", "/o/service/a", "/o/a", "/o/a/b", "/oo"];
  const on = (root: string, ...args: string[]): ReturnType<typeof empusa> =>
    empusa(args, { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_TREE_ROOT: root });
  for (const [i, root] of roots.entries()) {
    assertEquals((await on(root, "switch", "set", `a/b/service/web/x`, `s${i}`)).code, 0);
    assertEquals((await on(root, "switch", "set", `switch`, `t${i}`)).code, 0);
    const register = ["register", "--service-type", "switch", "--service-name", "a", "--service-location"];
    assertEquals((await on(root, "service", ...register, `h:${i}`)).code, 0);
  }
  for (const [i, root] of roots.entries()) {
    const switches = JSON.parse((await on(root, "switch", "list", "--format", "json")).stdout);
    assertEquals(switches, [
      { switch: "a/b/service/web/x", value: `s${i}`, ttl: null },
      { switch: "switch", value: `t${i}`, ttl: null },
    ]);
    assertEquals(
      (await on(root, "service", "list", "--service-type", "switch", "--format", "plain")).stdout,
      `h:${i}\n`,
    );
  }
});

Deno.test("no key that one accepted tree root writes is an item of another one", () => {
  const parts = ["service", "service-meta", "service-maintenance", "switch", "a"];
  const roots = ["/"];
  for (const a of ["", ...parts]) {
    for (const b of parts) {
      for (const c of ["", ...parts]) roots.push(`/${[a, b, c].filter(Boolean).join("/")}`);
    }
  }
  const accepted = [...new Set(roots)].filter((root) => {
    try {
      parseTreeRoot(root);
      return true;
    } catch {
      return false;
    }
  }).map(parseTreeRoot);
  assertEquals(accepted.length > 5, true);
  const names = [
    ...parts,
    ...parts.flatMap((a) => parts.map((b) => `${a}/${b}`)),
    "a/service/a/a",
    "switch/switch/a",
  ];
  for (const writer of accepted) {
    const keys = [
      ...names.map((name) => `${writer}/switch/${name}`),
      ...parts.flatMap((type) =>
        parts.flatMap((name) =>
          [instanceKey, metadataKey, maintenanceKey].map((keyOf) => keyOf(writer, type, name))
        )
      ),
    ];
    for (const reader of accepted) {
      if (reader === writer) continue;
      for (const key of keys) {
        const told = `${key} of ${writer} for ${reader}`;
        assertEquals([told, key.startsWith(`${reader}/switch/`)], [told, false]);
        for (const kind of ["raw", "metadata", "maintenance"] as const) {
          const prefix = prefixOf(reader, kind);
          if (!key.startsWith(prefix)) continue;
          assertEquals([told, key.slice(prefix.length).split("/").length === 2], [told, false]);
        }
      }
    }
  }
});
