/** Instead of reading etcd's .proto files at each start, the bundle has code that was made of them. */
import * as esbuild from "esbuild";
import pbjs from "protobufjs-cli/pbjs.js";

/** What of etcd's services the program calls; the rest, and the messages for it, are left out. */
const calls: Readonly<Record<string, readonly string[]>> = {
  KV: ["Range", "Txn", "DeleteRange"],
  Lease: ["LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "LeaseTimeToLive", "LeaseLeases"],
  Watch: ["Watch"],
  Auth: ["Authenticate"],
  Maintenance: ["Alarm", "Status"],
};

interface Method {
  readonly requestType: string;
  readonly responseType: string;
}

/** A part of protobufjs's JSON, as far as it matters here. */
interface Part {
  readonly nested?: Readonly<Record<string, Part>>;
  /** Of a message. */
  readonly fields?: Readonly<Record<string, { readonly type: string }>>;
  /** Of a service. */
  readonly methods?: Readonly<Record<string, Method>>;
}

/** What protobufjs's command line makes of a file. */
function made(target: string, file: string, ...options: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    pbjs.main(["--target", target, "--keep-case", ...options, file], (error: Error | null, output = "") => {
      if (error) reject(error);
      else resolve(output);
      return {};
    });
  });
}

/**
 * The module that stands in for @grpc/proto-loader: it has what is called of `rpc.proto`, whatever it is asked for.
 * @param packages the folder that has `node_modules`
 * @param temporary a folder in which a file may lie meanwhile
 */
export function protoLoader(
  packages: string,
  temporary: string,
): { readonly replaces: RegExp; readonly contents: () => Promise<string> } {
  return {
    replaces: /^@grpc\/proto-loader$/,
    contents: async (): Promise<string> => {
      const all: Part = JSON.parse(await made("json", `${packages}/node_modules/etcd3/proto/rpc.proto`));
      const services = Object.entries(calls).map(([service, names]) => {
        const methods = all.nested?.["etcdserverpb"]?.nested?.[service]?.methods ?? {};
        return [service, names.map((name) => [name, methods[name] as Method] as const)] as const;
      });
      const roots = services.flatMap(([, methods]) =>
        methods.flatMap(([, { requestType, responseType }]) => [requestType, responseType])
      );
      const file = await Deno.makeTempFile({ dir: temporary, suffix: ".json" });
      await Deno.writeTextFile(file, JSON.stringify(reachable(all, roots)));
      const without = ["create", "verify", "delimited", "comments", "service", "typeurl"];
      const code = await made(
        "static-module",
        file,
        "--wrap",
        "commonjs",
        ...without.map((what) => `--no-${what}`),
      );
      await Deno.remove(file);
      // Nothing relies on names in it, and they are a quarter of it.
      const { code: short } = await esbuild.transform(code + loader(services), { minifyIdentifiers: true });
      return short;
    },
  };
}

/** The same packages with those messages alone, and what they hold. */
function reachable(all: Part, roots: readonly string[]): Part {
  const packages = Object.values(all.nested ?? {});
  const wanted = new Set<string>();
  const want = (name: string): void => {
    const short = name.split(".").at(-1) ?? "";
    if (wanted.has(short)) return;
    const message = packages.map(({ nested }) => nested?.[short]).find((part) => part !== undefined);
    if (message === undefined) return;
    wanted.add(short);
    const parts = [message, ...Object.values(message.nested ?? {})];
    for (const { fields = {} } of parts) for (const { type } of Object.values(fields)) want(type);
  };
  for (const root of roots) want(root);
  const kept = Object.entries(all.nested ?? {}).map(([name, part]) => [
    name,
    {
      ...part,
      nested: Object.fromEntries(Object.entries(part.nested ?? {}).filter(([name]) => wanted.has(name))),
    },
  ]);
  return { ...all, nested: Object.fromEntries(kept) };
}

/** Goes behind the code of the messages, and gives what `loadSync` of the package that is replaced would. */
function loader(services: readonly (readonly [string, readonly (readonly [string, Method])[]])[]): string {
  return `
    const types = module.exports.etcdserverpb;
    // Numbers of 64 bits as text. The library divides them by tens, which took half the time of a list without a JIT.
    $util.Long.prototype.toString = function () {
      const { low, high, unsigned } = this;
      if (high === 0) return String(low >>> 0);
      const bits = BigInt(high) << 32n | BigInt(low >>> 0);
      return String(unsigned ? BigInt.asUintN(64, bits) : bits);
    };
    // What a field without bytes becomes, which each key and value is before its bytes are set.
    const { newBuffer } = $util;
    const empty = newBuffer(0);
    $util.newBuffer = (bytes) => bytes.length === 0 ? empty : newBuffer(bytes);
    const serializer = (type) => (message) => type.encode(type.fromObject(message)).finish();
    const deserializer = (type, options) => (bytes) => type.toObject(type.decode(bytes), options);
    const services = ${JSON.stringify(services)};
    module.exports = {
      loadSync: (_, options) => Object.fromEntries(services.map(([service, methods]) => [
        "etcdserverpb." + service,
        Object.fromEntries(methods.map(([name, { requestType, responseType, requestStream, responseStream }]) => [name, {
          path: "/etcdserverpb." + service + "/" + name,
          requestStream: requestStream === true,
          responseStream: responseStream === true,
          requestSerialize: serializer(types[requestType]),
          requestDeserialize: deserializer(types[requestType], options),
          responseSerialize: serializer(types[responseType]),
          responseDeserialize: deserializer(types[responseType], options),
          originalName: name[0].toLowerCase() + name.slice(1),
        }])),
      ])),
    };`;
}
