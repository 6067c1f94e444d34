/** Locations of `service run`: which ones only this machine can reach, and placeholders that do not fit. */
import { assertEquals, assertThrows } from "@std/assert";
import { isLocal } from "../../src/commands/shared/placeholders.ts";
import { withPlaceholders } from "../../src/definitions/placeholders.ts";
import { InvalidValueError } from "../../src/errors.ts";

Deno.test("a location that only this machine can reach is known in every spelling", () => {
  for (
    const location of [
      "[0:0:0:0:0:0:0:1]:80",
      "[::0001]:80",
      "[::ffff:0.0.0.0]:80",
      "[::ffff:127.0.0.2]:80",
      "[::]:80",
      "[::1]",
      "127.1:80",
      "127.1",
      "0:80",
      "0",
      "0x7f.1:80",
      "2130706433:80",
      "localhost.:80",
      "LOCALHOST",
      "api.localhost.:80",
      "http://127.1/",
      "redis://127.1:6379/0",
      "redis://[0:0:0:0:0:0:0:1]:6379",
    ]
  ) assertEquals([location, isLocal(location)], [location, true]);
  for (
    const location of [
      "10.1:80",
      "128.1:80",
      "80",
      "[::ffff:10.0.0.7]:80",
      "[1::1]:80",
      "localhost.example.org:80",
      "mylocalhost:80",
      "http://example.org/127.0.0.1",
      "unix:/run/localhost",
    ]
  ) assertEquals([location, isLocal(location)], [location, false]);
});

Deno.test("a placeholder that is not closed is refused", () => {
  const rule = withPlaceholders(["{ip}"], (text) => text);
  assertEquals(rule("{ip}:80"), "{ip}:80");
  for (const text of ["{ip", "{ip:80", "http://[{ip]:80/", "{ip}:80{", "{{ip}}:80"]) {
    assertThrows(() => rule(text), InvalidValueError, "close every { with a }");
  }
});
