/** What this machine lacks for network namespaces and faults in them. */

/** Runs what follows in namespaces of its own, whose processes all end with it. */
export const unshare: readonly string[] = [
  ..."unshare --net --mount --pid --fork --kill-child --mount-proc".split(" "),
  ...Deno.uid() === 0 ? [] : ["--user", "--map-root-user"],
];

/** What is tried, each by its name: the first that fails is told. */
const trials: readonly (readonly [string, string])[] = [
  ["mount", "mount -t tmpfs none /run"],
  ["ip netns", "ip netns add try1"],
  ["veth", "ip link add name try1 type veth peer name eth0 netns try1"],
  ["a packet filter (iptables)", "iptables -w -A FORWARD -m length --length 600:65535 -j DROP"],
  ["the target REJECT of iptables", "iptables -w -A FORWARD -p tcp -j REJECT --reject-with tcp-reset"],
  ["the target NFQUEUE of iptables", "iptables -w -A FORWARD -j NFQUEUE --queue-num 0"],
  ["the qdisc tbf", "tc qdisc add dev try1 root tbf rate 256kbit burst 4kb latency 1s"],
];

/** Names the first thing that is missing, such as "no veth"; undefined if all is there. */
export async function missing(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "no Linux";
  const script = trials.map(([name, line]) => `${line} || { echo "$? ${name}"; exit; }`).join("\n");
  const [command = "", ...args] = [...unshare, "sh", "-c", script];
  try {
    const { success, stdout } = await new Deno.Command(command, { args, stdin: "null", stderr: "null" })
      .output();
    if (!success) return "no network namespaces (root, or user namespaces)";
    const failed = new TextDecoder().decode(stdout).trim().replace(/^\d+ /, "");
    return failed === "" ? undefined : `no ${failed}`;
  } catch {
    return "no unshare";
  }
}
