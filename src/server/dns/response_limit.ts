/**
 * Keeps others from having this server send much to somebody whose address they forge. For each second and each network that
 * asks, answers have at most three times the bytes of its questions, and `allowance` more; beyond that they say only that they
 * are truncated, so that a real asker asks again over TCP, where nobody can forge.
 */
const amplification = 3;
const allowance = 131_072;

/** So many networks are told apart in one second; all further ones share what one has. */
const mostNetworks = 10_000;

export class ResponseLimit {
  readonly #spent = new Map<string, number>();
  #second = 0;

  /**
   * Whether an answer may be sent.
   * @param address of who asks, as far as that can be known
   */
  allows(address: string, questionBytes: number, answerBytes: number): boolean {
    const cost = answerBytes - amplification * questionBytes;
    if (cost <= 0 && this.#spent.size === 0) return true;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#spent.clear();
    this.#second = second;
    const network = networkOf(address);
    if (network === undefined) return true;
    const known = this.#spent.size < mostNetworks || this.#spent.has(network) ? network : "others";
    const spent = (this.#spent.get(known) ?? 0) + cost;
    if (spent > allowance) return false;
    this.#spent.set(known, Math.max(spent, 0));
    return true;
  }
}

/** The network of an address: /24, or /56 of IPv6; undefined for this machine, which nobody else can forge. */
export function networkOf(address: string): string | undefined {
  const v4 = /^(?:::ffff:)?((\d+\.\d+\.\d+)\.\d+)$/i.exec(address);
  if (v4 !== null) return v4[1]?.startsWith("127.") ? undefined : v4[2];
  if (address === "::1") return undefined;
  // Of a compressed address, the first groups may be fewer: such a network is larger.
  const [head = ""] = address.split("::");
  const groups = head.split(":").slice(0, 4);
  return groups.map((group, i) => i < 3 ? group : group.padStart(4, "0").slice(0, 2)).join(":");
}
