/** What a forged address can have sent to it. */
import { assert, assertEquals } from "@std/assert";
import { networkOf, ResponseLimit } from "../../../src/server/dns/response_limit.ts";

Deno.test("a flood in the name of one network is answered with less than three times its bytes", () => {
  const limit = new ResponseLimit();
  const [asked, answered, truncated] = [40, 1232, 40];
  let [received, sent] = [0, 0];
  for (let i = 0; i < 200_000; i++) {
    const address = `192.0.2.${i % 256}`;
    received += asked;
    sent += limit.allows(address, asked, answered) ? answered : truncated;
  }
  // Without a limit it would be 30 times as many.
  assert(sent / received < 3, `${sent} bytes for ${received}`);
  // Others, and small answers, are not affected.
  assert(limit.allows("198.51.100.1", asked, answered));
  assert(limit.allows("192.0.2.1", asked, 3 * asked));
});

Deno.test("networks are /24 and /56, and this machine is none", () => {
  for (
    const [address, network] of [
      ["192.0.2.7", "192.0.2"],
      ["::ffff:192.0.2.7", "192.0.2"],
      ["127.0.0.1", undefined],
      ["127.9.9.9", undefined],
      ["::ffff:127.0.0.1", undefined],
      ["::1", undefined],
      ["2001:db8:0:1234:5:6:7:8", "2001:db8:0:12"],
      ["2001:db8:0:12ff::8", "2001:db8:0:12"],
      ["2001:db8:0:7::8", "2001:db8:0:00"],
    ] as const
  ) assertEquals([address, networkOf(address)], [address, network]);
});

Deno.test("so many networks that they cannot be told apart share what one has", () => {
  const limit = new ResponseLimit();
  let allowed = 0;
  for (let i = 0; i < 30_000; i++) {
    if (limit.allows(`10.${i >> 8 & 255}.${i & 255}.1`, 40, 1232)) allowed++;
  }
  // The second may change meanwhile.
  assert(allowed < 25_000, `${allowed}`);
});
