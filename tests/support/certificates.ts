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
   * @param names as in `DNS:localhost,IP:127.0.0.1`; a certificate without any has its common name alone
   * @param from when it becomes valid, in milliseconds from now
   * @param to when it expires, likewise
   */
  async sign(name: string, names: string, { from = -hour, to = 24 * hour } = {}): Promise<Signed> {
    const folder = this.#folder;
    await openssl(folder, [
      "req",
      "-new",
      ...newKey(name),
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    ]);
    // `openssl ca` alone takes dates in every version of OpenSSL. It keeps a list of what it has signed.
    await Deno.writeTextFile(`${folder}/${name}.index`, "");
    await Deno.writeTextFile(`${folder}/${name}.cnf`, configuration(name, names));
    await openssl(folder, [
      ...["ca", "-batch", "-notext", "-create_serial", "-config", `${name}.cnf`, "-cert", "ca.pem"],
      ...["-keyfile", "ca.key", "-startdate", date(from), "-enddate", date(to), "-extensions", "signed"],
      ...["-in", `${name}.csr`, "-out", `${name}.pem`],
    ]);
    return { cert: `${folder}/${name}.pem`, key: `${folder}/${name}.key` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const hour = 3_600_000;

function configuration(name: string, names: string): string {
  return `[ca]
default_ca=authority
[authority]
database=${name}.index
new_certs_dir=.
serial=${name}.serial
default_md=sha256
policy=anything
[anything]
commonName=supplied
[signed]
${names === "" ? "basicConstraints=CA:false" : `subjectAltName=${names}`}
`;
}

/** `YYYYMMDDHHMMSSZ`, so many milliseconds from now. */
function date(fromNow: number): string {
  return new Date(Date.now() + fromNow).toISOString().replace(/\.\d+|[-:T]/g, "");
}

function newKey(name: string): string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
}

async function openssl(cwd: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args], cwd }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
