/**
 * Keeps tests off an executable that was made with Deno 2.4.2, for which `deno test --preload` loads this: what that one
 * cannot do. Executables are made with it where the runtime of the pinned one cannot be fetched.
 */
const cannot: Readonly<Record<string, readonly string[]>> = {
  "it heeds no CA of ours, shows no certificate of ours, and does not know whether a key is that of a certificate":
    [
      "TLS, to an address and to a name, with the CA from each of its three variables",
      "a certificate for another name, where that is what is expected",
      "mutual TLS, streams included",
      "certificates that cannot be used are usage errors, before anything is tried",
      "a certificate and its key may share a file",
      "a black hole: a listener that never answers, with TLS and without",
      "what is wrong with the server's certificate",
      "what is wrong with the client's certificate",
      "plain text to TLS, and TLS to plain text",
    ],
};

const keptOff = new Set(Object.values(cannot).flat());
const { test } = Deno;

(Deno as { test: typeof test }).test = new Proxy(test, {
  apply(test, self, args): void {
    const [first] = args;
    const name = typeof first === "string" ? first : first.name;
    if (!keptOff.has(name)) Reflect.apply(test, self, args);
  },
});
