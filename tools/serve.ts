/** Serves the files of a folder on a free port of this machine, and says where: `serve.ts FOLDER`. */
const [folder = "."] = Deno.args;

Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ hostname, port }) => {
      Deno.stdout.writeSync(new TextEncoder().encode(`http://${hostname}:${port}\n`));
    },
  },
  async (request) => {
    const [name = ""] = /[^/]*$/.exec(new URL(request.url).pathname) ?? [];
    try {
      const { readable } = await Deno.open(`${folder}/${name}`);
      return new Response(readable, { headers: { "content-type": "text/javascript" } });
    } catch {
      return new Response("there is no such file", { status: 404 });
    }
  },
);
