/** Whether the server lives, and whether it is ready: for supervisors and load balancers. */
import { whyUnready } from "../freshness.ts";
import { type Answer, HttpError } from "../http/request.ts";
import type { Route } from "../http/router.ts";
import type { RouteContext } from "./context.ts";

const ok: Answer = { status: 200, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: "ok\n" };

export function healthRoutes({ view, maxStale }: RouteContext): Route[] {
  return [
    {
      method: "GET",
      path: "/healthz",
      summary: "Answers 200 while the process is alive.",
      produces: "text/plain",
      kind: "open",
      answer: () => ok,
    },
    {
      method: "GET",
      path: "/readyz",
      summary: "Answers 200 while there are answers, else 503.",
      produces: "text/plain",
      kind: "open",
      answer: () => {
        const why = whyUnready(view, maxStale);
        if (why !== undefined) throw new HttpError(503, why);
        return ok;
      },
    },
  ];
}
