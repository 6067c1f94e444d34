/** Makes the tables of messages from what protobufjs reads in a .proto file. */
import { type Field, scalarTypes, type Schema } from "./wire.ts";

export interface Method {
  readonly requestType: string;
  readonly responseType: string;
}

/** A part of protobufjs's JSON, as far as it matters here. */
export interface Part {
  readonly nested?: Readonly<Record<string, Part>>;
  /** Of a message. */
  readonly fields?: Readonly<
    Record<string, { readonly id: number; readonly type: string; readonly rule?: string }>
  >;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  /** Of an enum. */
  readonly values?: Readonly<Record<string, number>>;
  /** Of a service. */
  readonly methods?: Readonly<Record<string, Method>>;
}

/** The last part of a name, which tells what is meant: no two messages or enums of etcd's share it. */
const short = (name: string): string => name.split(".").at(-1) ?? "";

/** The tables of those messages, and of what they hold. */
export function schemaOf(all: Part, roots: readonly string[]): Schema {
  const parts = new Map<string, Part>();
  const collect = ({ nested = {} }: Part): void => {
    for (const [name, part] of Object.entries(nested)) {
      if (part.fields === undefined && part.values === undefined) collect(part);
      else if (parts.has(name)) throw new Error(`there are two of ${name}`);
      else {
        parts.set(name, part);
        collect(part);
      }
    }
  };
  collect(all);
  const messages: Record<string, readonly Field[]> = {};
  const enums: Record<string, Readonly<Record<string, number>>> = {};
  const want = (name: string): void => {
    const { fields, oneofs = {}, values } = parts.get(name) ?? {};
    if (values !== undefined) enums[name] = values;
    if (fields === undefined || name in messages) return;
    const oneofOf = (field: string): string =>
      Object.entries(oneofs).find(([, { oneof }]) => oneof.includes(field))?.[0] ?? "";
    messages[name] = Object.entries(fields).map(([field, { id, type, rule }]) =>
      [id, field, short(type), rule === "repeated", oneofOf(field)] as const
    );
    for (const { type } of Object.values(fields)) {
      if (!scalarTypes.includes(type) && !parts.has(short(type))) throw new Error(`${name} has a ${type}`);
      want(short(type));
    }
  };
  for (const root of roots) want(short(root));
  return { messages, enums };
}
