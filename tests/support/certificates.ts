/** A CA of the test's own, and what it signs. */

/** The paths of a certificate and its key. */
export interface Signed {
  readonly cert: string;
  readonly key: string;
}

export class CertificateAuthority implements AsyncDisposable {
  readonly #folder: string;
  /** The path of its own certificate. */
  readonly cert: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.cert = `${folder}/ca.pem`;
  }

  static async make(): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(await Deno.makeTempDir({ prefix: "empusa-test-ca-" }));
    await openssl(authority.#folder, [
      "req",
      "-x509",
      ...newKey("ca"),
      "-out",
      "ca.pem",
      "-subj",
      "/CN=a CA of the tests",
      "-days",
      "2",
    ]);
    return authority;
  }

  /**
   * @param names as in `DNS:localhost,IP:127.0.0.1`
   * @param days how long it is valid from now; -1 has ended yesterday
   */
  async sign(name: string, names: string, days = 1): Promise<Signed> {
    await openssl(this.#folder, [
      "req",
      "-new",
      ...newKey(name),
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    ]);
    await Deno.writeTextFile(`${this.#folder}/${name}.ext`, `subjectAltName=${names}\n`);
    await openssl(this.#folder, [
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-days", `${days}`, "-extfile", `${name}.ext`, "-out", `${name}.pem`],
    ]);
    return { cert: `${this.#folder}/${name}.pem`, key: `${this.#folder}/${name}.key` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function newKey(name: string): string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
}

async function openssl(cwd: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args], cwd }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
