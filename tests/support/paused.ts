/** What tests of pausing look at. */
import { assertRejects } from "@std/assert";
import { EmpusaError } from "../../src/errors.ts";
import type { RegisteredInstance } from "../../src/registry/instance.ts";
import type { Registry } from "../../src/registry/mod.ts";
import type { Etcd } from "./etcd.ts";
import { web } from "./kept_session.ts";

export const forGood = { reason: "disk", seconds: undefined };
export const mirrored = { ...web, mirrors: ["grpc=/grpc"] };

/** All instances, those out of use too. */
export async function all({ services }: Registry): Promise<RegisteredInstance[]> {
  return [...(await services.list({ types: [], all: true })).items];
}

/** All keys of an etcd. */
export async function keys(etcd: Etcd): Promise<string[]> {
  return (await etcd.etcdctl("get", "--prefix", "--keys-only", "")).split("\n").filter((line) => line !== "");
}

export function failing(work: Promise<unknown>): Promise<EmpusaError> {
  return assertRejects(() => work, EmpusaError);
}
