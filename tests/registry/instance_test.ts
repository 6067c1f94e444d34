import { assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../src/errors.ts";
import {
  compareInstances,
  instanceKey,
  instancePrefix,
  parseLocation,
  parseName,
  parseTreeRoot,
  registeredInstance,
} from "../../src/registry/instance.ts";
import { instancesOf } from "../../src/registry/instances.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

Deno.test("a name is taken as it is", () => {
  for (const name of ["a", "web-1", "two words", "größe", "日本", ".", "..", "a:b@c", "x".repeat(255)]) {
    assertEquals(parseName(name), name);
  }
});

Deno.test("a name that is no segment of a key is refused", () => {
  const wrong = [
    "",
    " ",
    " a",
    "a ",
    "\u00a0a",
    "a/b",
    "/",
    "a\tb",
    "a\nb",
    "\u0000",
    "a\u007f",
    "a\u0085",
    "\ud800",
    "a\ufffd",
  ];
  for (const name of [...wrong, "x".repeat(256), "ö".repeat(128)]) {
    assertThrows(() => parseName(name), InvalidValueError, "be 1 to 255 bytes of UTF-8");
  }
});

Deno.test("a location is kept as given", () => {
  const right = [
    "h:1",
    "[::1]:80",
    "https://h/p?q#f",
    "unix:/run/a.sock",
    "a b",
    " h:1 ",
    "größe:1",
    "日本:1",
  ];
  for (const location of [...right, "x".repeat(4096)]) assertEquals(parseLocation(location), location);
});

Deno.test("a location that is not one line is refused", () => {
  for (
    const location of ["", "  ", "a\nb", "a\r", "\u001b[31m", "a\u2028b", "x".repeat(4097), "ö".repeat(2049)]
  ) {
    assertThrows(() => parseLocation(location), InvalidValueError, "be one line of 1 to 4096 bytes");
  }
});

Deno.test("a tree root has one form", () => {
  for (const path of ["foo", "/foo", "/foo/", "foo/", "//foo//"]) assertEquals(parseTreeRoot(path), "/foo");
  assertEquals(parseTreeRoot("a/b"), "/a/b");
  assertEquals(parseTreeRoot("/"), "");
  for (const path of ["a//b", "a/ b", "a\nb"]) {
    assertThrows(() => parseTreeRoot(path), InvalidValueError, "be a path such as /prod");
  }
});

Deno.test("keys are {tree root}/service/{type}/{name}", () => {
  assertEquals(instanceKey("/foo", "web", "a"), "/foo/service/web/a");
  assertEquals(instanceKey("", "web", "a"), "/service/web/a");
  assertEquals(instancePrefix("/foo"), "/foo/service/");
  assertEquals(instancePrefix("/foo", "web"), "/foo/service/web/");
});

Deno.test("what is read back is what was stored", () => {
  const entry = {
    key: bytes(""),
    value: bytes("日本:1"),
    lease: undefined,
    createRevision: 1,
    modifyRevision: 2,
  };
  assertEquals(registeredInstance(instancePrefix("/foo"), "/foo/service/web/größe", entry), {
    type: "web",
    name: "größe",
    location: "日本:1",
    lease: undefined,
    createRevision: 1,
    modifyRevision: 2,
  });
});

Deno.test("what is no instance is refused, and says why", () => {
  const read = (key: string | Uint8Array, value: string | Uint8Array): void => {
    const [keyBytes, valueBytes] = [key, value].map((one) => typeof one === "string" ? bytes(one) : one) as [
      Uint8Array,
      Uint8Array,
    ];
    const entry = {
      key: keyBytes,
      value: valueBytes,
      lease: undefined,
      createRevision: 1,
      modifyRevision: 1,
    };
    instancesOf("/foo").collector().put(entry);
  };
  const notUtf8 = Uint8Array.of(0xff);
  assertThrows(() => read("/foo/service/web", "h:1"), InvalidValueError, "be /foo/service/TYPE/NAME");
  assertThrows(() => read("/foo/service/web/a/b", "h:1"), InvalidValueError, "be /foo/service/TYPE/NAME");
  assertThrows(() => read("/foo/service/web/", "h:1"), InvalidValueError, "not empty");
  assertThrows(() => read("/foo/service/web/a", notUtf8), InvalidValueError, "be UTF-8");
  const badKey = Uint8Array.from([...bytes("/foo/service/web/"), 0xff]);
  assertThrows(() => read(badKey, "h:1"), InvalidValueError, "be UTF-8");
});

Deno.test("instances are in order of type, then name", () => {
  const instance = (service: string): { type: string; name: string; location: string } => {
    const [type = "", name = ""] = service.split("/");
    return { type, name, location: "" };
  };
  const sorted = ["a-b/x", "b/y", "a/z", "a/B", "a/b", "ä/a"].map(instance).sort(compareInstances);
  assertEquals(sorted.map(({ type, name }) => `${type}/${name}`), [
    "a/B",
    "a/b",
    "a/z",
    "a-b/x",
    "b/y",
    "ä/a",
  ]);
});

Deno.test("a key that is no UTF-8 has nothing to do with the one that its text looks like", () => {
  const entry = { value: bytes("h:1"), lease: undefined, createRevision: 1, modifyRevision: 1 };
  const key = bytes("/foo/service/web/a\ufffd");
  const broken = Uint8Array.from([...bytes("/foo/service/web/a"), 0xff]);
  const collected = instancesOf("/foo").collector();
  collected.put({ ...entry, key });
  assertThrows(() => collected.put({ ...entry, key: broken }), InvalidValueError, "be UTF-8");
  assertEquals(collected.delete(broken), undefined);
  assertEquals(collected.items().map(({ name }) => name), ["a\ufffd"]);
  assertEquals(collected.delete(key), { id: "web/a\ufffd", isMain: true });
  assertEquals(collected.items(), []);
});
