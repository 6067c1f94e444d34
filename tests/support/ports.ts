/** Below the ports that systems give to outgoing connections: one towards an etcd that is away could get its port. */
const [first, end] = [10_000, 32_000];

/** Ports nobody listens on, all different. */
export function freePorts(count: number): number[] {
  const listeners: Deno.Listener[] = [];
  while (listeners.length < count) {
    const port = first + Math.floor(Math.random() * (end - first));
    try {
      listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  for (const listener of listeners) listener.close();
  return listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
}
