import { showAddress } from "../address.ts";
import { isDefault } from "../metadata.ts";
import { InvalidValueError } from "../../errors.ts";
import { addressFor, type MirrorKind, parsePrefix } from "./mirror.ts";

/** The endpoints of etcd's gRPC resolver (`client/v3/naming/endpoints`): the client's target is `etcd:///` and then PREFIX/TYPE. */
export const grpc: MirrorKind = {
  name: "grpc",
  argument: "PREFIX",
  summary:
    "gRPC clients with etcd's resolver, which strips one slash: target `etcd:////grpc/TYPE` for `grpc=/grpc`.",
  parse: (argument) => {
    if (argument === undefined) throw new InvalidValueError("have a prefix, as in grpc=/grpc");
    const prefix = parsePrefix(argument);
    return (instance) => {
      const { type, name, metadata } = instance;
      const value = {
        Op: 0,
        Addr: showAddress(addressFor(instance)),
        Metadata: isDefault(metadata) ? null : metadata,
      };
      return [{ key: `${prefix}/${type}/${name}`, value: JSON.stringify(value) }];
    };
  },
};
