import { assertEquals } from "@std/assert";
import { hangUp } from "../../src/system/hang_up.ts";

/** Two connections to a listener there, the first of which is hung up on. */
async function check(listens: string, connects: string): Promise<void> {
  using listener = Deno.listen({ hostname: listens, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using one = await Deno.connect({ hostname: connects, port });
  using oneHere = await listener.accept();
  using other = await Deno.connect({ hostname: connects, port });
  using otherHere = await listener.accept();
  hangUp(oneHere);
  assertEquals(await one.read(new Uint8Array(1)), null);
  await otherHere.write(new Uint8Array(1));
  assertEquals(await other.read(new Uint8Array(1)), 1);
}

Deno.test({
  name: "a connection is hung up on by its addresses, of either family, and no other one is",
  // The C library stays loaded.
  sanitizeResources: false,
  async fn(): Promise<void> {
    await check("127.0.0.1", "127.0.0.1");
    await check("::1", "::1");
    await check("::", "127.0.0.1");
  },
});
