/** A fault: something that goes wrong between clients and etcd, or in etcd. */
import type { Bed } from "./bed.ts";

export interface Fault {
  readonly name: string;
  /** Whether no client can reach a quorum meanwhile. */
  readonly severs?: boolean;
  /** Set where somebody deletes keys: after how many milliseconds the clients can know of it at the latest. */
  readonly deletes?: number;
  /** Whether a leader may wake up at its end, which makes etcd delete leases that are alive. */
  readonly wakes?: boolean;
  /** Begins it, lets it last, and ends all of it but the rules of the network. */
  readonly run: (bed: Bed, milliseconds: number) => Promise<void>;
}

/** The names of the members, as faults take them. */
export const nodeNames: readonly string[] = ["n1", "n2", "n3"];
