/** Instead of reading etcd's .proto files at each start, the bundle has tables that were made of them, and `wire.ts`. */
import protobuf from "protobufjs";
import { type Method, type Part, schemaOf } from "./schema.ts";
import type { Schema } from "./wire.ts";

/** What of etcd's services the program calls; the rest, and the messages for it, are left out. */
const calls: Readonly<Record<string, readonly string[]>> = {
  KV: ["Range", "Txn", "DeleteRange"],
  Lease: ["LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "LeaseTimeToLive", "LeaseLeases"],
  Watch: ["Watch"],
  Auth: ["Authenticate"],
  Maintenance: ["Alarm", "Status"],
};

/**
 * The module that stands in for @grpc/proto-loader: it has what is called of `rpc.proto`, whatever it is asked for.
 * @param packages the folder that has `node_modules`
 */
export function protoLoader(
  packages: string,
): { readonly replaces: RegExp; readonly contents: () => Promise<string> } {
  return {
    replaces: /^@grpc\/proto-loader$/,
    contents: async (): Promise<string> => {
      const path = `${packages}/node_modules/etcd3/proto/rpc.proto`;
      const file = await new protobuf.Root().load(path, { keepCase: true });
      const all: Part = file.toJSON();
      const services = Object.entries(calls).map(([service, names]) => {
        const methods = all.nested?.["etcdserverpb"]?.nested?.[service]?.methods ?? {};
        return [service, names.map((name) => [name, methods[name] as Method] as const)] as const;
      });
      const roots = services.flatMap(([, methods]) =>
        methods.flatMap(([, { requestType, responseType }]) => [requestType, responseType])
      );
      return loader(schemaOf(all, roots), services);
    },
  };
}

/** Gives what `loadSync` of the package that is replaced would. */
function loader(
  schema: Schema,
  services: readonly (readonly [string, readonly (readonly [string, Method])[]])[],
): string {
  return `
    import { codec } from "${import.meta.resolve("./wire.ts")}";
    const { encode, decode } = codec(${JSON.stringify(schema)});
    const services = ${JSON.stringify(services)};
    export const loadSync = () => Object.fromEntries(services.map(([service, methods]) => [
      "etcdserverpb." + service,
      Object.fromEntries(methods.map(([name, { requestType, responseType, requestStream, responseStream }]) => [name, {
        path: "/etcdserverpb." + service + "/" + name,
        requestStream: requestStream === true,
        responseStream: responseStream === true,
        requestSerialize: (message) => encode(requestType, message),
        requestDeserialize: (bytes) => decode(requestType, bytes),
        responseSerialize: (message) => encode(responseType, message),
        responseDeserialize: (bytes) => decode(responseType, bytes),
        originalName: name[0].toLowerCase() + name.slice(1),
      }])),
    ]));`;
}
