/** Messages of etcd, grpc-js and the network, and the errors that they become. */
import { assert, assertEquals } from "@std/assert";
import { EmpusaError, RefusedError } from "../../../src/errors.ts";
import { AttemptFailure } from "../../../src/registry/etcd/attempt.ts";
import { endOfPrefix } from "../../../src/registry/etcd/prefix.ts";
import { toRegistryError } from "../../../src/registry/etcd/errors.ts";

const context = {
  endpoint: { protocol: "http", address: "127.0.0.1:1" },
  tls: undefined,
  username: "web",
  right: { verb: "readwrite", key: "/foo/a" },
  isAbandoned: false,
} as const;

const error = (words: string, more: Partial<typeof context> = {}): Promise<Error> =>
  toRegistryError(new Error(words), { ...context, ...more });

type Flags = "permanent" | "refused" | "notSent" | "connectionLost";

const failures: readonly (readonly [words: string, message: string, flags: readonly Flags[]])[] = [
  ["14 UNAVAILABLE: etcdserver: no leader", "its cluster has no leader", []],
  ["9 FAILED_PRECONDITION: etcdserver: not leader", "it does not lead its cluster", []],
  ["14 UNAVAILABLE: etcdserver: request timed out", "request timed out", []],
  ["4 DEADLINE_EXCEEDED: Deadline exceeded", "no answer in time", []],
  ["12 UNIMPLEMENTED: unknown service", "it is not etcd", ["permanent"]],
  ["13 INTERNAL: Response message parsing error: x", "its answer does not come from etcd", []],
  ["16 UNAUTHENTICATED: etcdserver: invalid auth token", "it rejects its own token", []],
  ["14 UNAVAILABLE: connect ECONNREFUSED 127.0.0.1:1", "connection refused", ["notSent", "connectionLost"]],
  ["14 UNAVAILABLE: getaddrinfo ENOTFOUND x", "the host name 127.0.0.1 is unknown", [
    "notSent",
    "connectionLost",
  ]],
  ["14 UNAVAILABLE: connect EHOSTUNREACH", "there is no route to the host", ["notSent", "connectionLost"]],
  ["14 UNAVAILABLE: certificate has expired", "its certificate has expired", [
    "permanent",
    "notSent",
    "connectionLost",
  ]],
  ["14 UNAVAILABLE: received fatal alert: BadCertificate", "it requires a client certificate", [
    "permanent",
    "refused",
    "connectionLost",
  ]],
  ["13 INTERNAL: Received RST_STREAM with code 2", "its connection broke", ["connectionLost"]],
];

for (const [words, message, flags] of failures) {
  Deno.test(`"${words}" is worth another attempt: ${message}`, async () => {
    const failure = await error(words);
    assert(failure instanceof AttemptFailure, `${failure}`);
    const all = ["permanent", "refused", "notSent", "connectionLost"] as const;
    assertEquals([failure.message, all.filter((flag) => failure[flag])], [message, flags]);
  });
}

Deno.test("errors that concern the request are final, and say what to do", async () => {
  const at = "etcd at http://127.0.0.1:1";
  const grant = "grant the permission with: etcdctl role grant-permission ROLE";
  for (
    const [words, message] of [
      [
        "3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password",
        'user "web" or the',
      ],
      [
        "7 PERMISSION_DENIED: etcdserver: permission denied",
        `may not read or write /foo/a; ${grant} readwrite /foo/a`,
      ],
      [
        "8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded",
        `${at} cannot write: its database is full`,
      ],
      [
        "3 INVALID_ARGUMENT: etcdserver: request is too large",
        `${at} cannot write: the request is too large`,
      ],
      [
        "11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted",
        `${at} failed: etcdserver: mvcc`,
      ],
    ] as const
  ) {
    const failure = await error(words);
    assert(failure instanceof EmpusaError && failure.message.includes(message), failure.message);
  }
});

Deno.test("a prefix is granted as one, and a client without a user is called anonymous", async () => {
  const right = { verb: "write", key: "/foo/", end: endOfPrefix("/foo/") } as const;
  const words = new Error("7 PERMISSION_DENIED: etcdserver: permission denied");
  const failure = await toRegistryError(words, { ...context, username: undefined, right });
  assert(failure instanceof RefusedError);
  assertEquals(
    failure.message,
    "etcd at http://127.0.0.1:1 refused: an anonymous client may not write keys below /foo/; " +
      "grant the permission with: etcdctl role grant-permission ROLE --prefix=true write /foo/",
  );
});

Deno.test("a channel that empusa abandoned did not answer in time", async () => {
  const words =
    "13 INTERNAL: Received RST_STREAM with code 2 triggered by internal client error: Session closed";
  const abandoned = await toRegistryError(new Error(words), { ...context, isAbandoned: true });
  assertEquals([abandoned.message, (await error(words)).message], [
    "no answer in time",
    "its connection broke",
  ]);
});
