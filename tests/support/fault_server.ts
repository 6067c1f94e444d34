/**
 * A small HTTP server that can be told to behave badly: `deno run fault_server.ts PORT [WORD…]`. It says what it hears on
 * standard output, one line each.
 *
 *   GET /health   200, or what POST /health/503 has set; after POST /health/hang no answer
 *   POST /exit/42 ends with that code; /kill/SIGKILL ends by that signal
 *   GET /env      its environment as JSON
 *
 * Words: `deaf` ignores SIGTERM and SIGINT; `fork` has a child of its own, which ignores them too, and says its ID.
 */
const [port = "0", ...words] = Deno.args;
let health = "200";

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

for (const signal of ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    say(signal);
    if (/INT|TERM/.test(signal) && !words.includes("deaf")) Deno.exit(0);
  });
}

if (words.includes("fork")) {
  const script = "trap '' TERM INT; while :; do sleep 1; done";
  const { pid } = new Deno.Command("bash", { args: ["-c", script], stdin: "null" }).spawn();
  say(`forked ${pid}`);
}

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => say("listening") }, (request) => {
  const [, what, word = ""] = new URL(request.url).pathname.split("/");
  if (request.method === "POST") {
    if (what === "health") health = word;
    if (what === "exit") setTimeout(() => Deno.exit(Number(word)), 10);
    if (what === "kill") setTimeout(() => Deno.kill(Deno.pid, word as Deno.Signal), 10);
    return new Response("done");
  }
  if (what === "env") return Response.json(Deno.env.toObject());
  if (health === "hang") return new Promise<Response>(() => {});
  return new Response(health, { status: Number(health) });
});
