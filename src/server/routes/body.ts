/** Reading the JSON that comes with a request. */
import { isObject } from "../../system/json.ts";
import { HttpError, type Request } from "../http/request.ts";

/** @throws {HttpError} 415 or 400 if the body is no JSON object */
export function objectIn({ headers, body }: Pick<Request, "headers" | "body">): Record<string, unknown> {
  // No form of a foreign page can send this type without being asked for by its browser first, which nothing here answers.
  if (!/^application\/json *(;|$)/i.test(headers.get("content-type") ?? "")) {
    throw new HttpError(415, "the Content-Type must be application/json");
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (isObject(value)) return value;
  } catch {
    // No UTF-8, or no JSON.
  }
  throw new HttpError(400, "the body must be a JSON object");
}

/** A field that is a text. @throws {HttpError} 400 if it is none */
export function textIn(object: Readonly<Record<string, unknown>>, field: string): string {
  const value = object[field];
  if (typeof value === "string") return value;
  throw new HttpError(400, `the field ${field} must be a text`);
}
