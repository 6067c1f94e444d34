/** The page for people, at `/`: its files hold no data, so they need no token; what they ask for does. */
import { type Answer, HttpError } from "../http/request.ts";
import type { Route } from "../http/router.ts";
import { document, files } from "../page/assets.ts";

/**
 * Nothing comes from elsewhere, nothing in the document is carried out, and no other page may show it in a frame. The icon
 * is in the document.
 */
const headers = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

/** @param mayWrite whether the page offers changes */
export function pageRoutes(mayWrite: boolean): Route[] {
  const answers = new Map(
    files.entries().map(([name, text]) => [
      name,
      file(name.endsWith(".css") ? "text/css" : "text/javascript", text),
    ]),
  );
  const page = file("text/html", document(mayWrite));
  return [
    {
      method: "GET",
      path: "/",
      summary: "Show the page for people.",
      produces: "text/html",
      kind: "open",
      answer: () => page,
    },
    {
      method: "GET",
      path: "/page/{file}",
      summary: "Give a script or the style of the page.",
      produces: "text/javascript",
      kind: "open",
      answer: ({ params: { file = "" } }) => {
        const found = answers.get(file);
        if (found === undefined) throw new HttpError(404, "there is nothing at this path");
        return found;
      },
    },
  ];
}

function file(type: string, text: string): Answer {
  return {
    status: 200,
    headers: { "Content-Type": `${type}; charset=utf-8`, ...headers },
    body: new TextEncoder().encode(text),
  };
}
