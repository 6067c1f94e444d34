/** What the page changes, if the operator allows it: instances that are paused, resumed and unregistered; switches. */
import { EmpusaError, ExitCode, InvalidValueError } from "../../errors.ts";
import {
  instanceId,
  maxTtl,
  parseReason,
  type RegisteredInstance,
  type Registry,
} from "../../registry/mod.ts";
import { escapeControls, shorten } from "../../system/escape.ts";
import { type Answer, HttpError, jsonAnswer, type Request } from "../http/request.ts";
import type { Route, RoutedRequest } from "../http/router.ts";
import { checkOrigin } from "../same_origin.ts";
import { objectIn, textIn } from "./body.ts";
import type { RouteContext } from "./context.ts";

export interface ChangeOptions {
  readonly view: RouteContext["view"];
  readonly registry: Pick<Registry, "services" | "switches">;
  /** The line of the token that the request shows; undefined if everybody may ask. */
  readonly tokenLine: (request: Request) => number | undefined;
  /** Hears what was changed, and who asked for it. Must not throw. */
  readonly onChange: (message: string) => unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** Makes a change. @returns what was done, as a sentence without its end */
type Change = (fields: Fields, options: ChangeOptions) => Promise<string>;

export function changeRoutes(options: ChangeOptions): Route[] {
  const route = (path: Route["path"], summary: string, change: Change): Route => ({
    method: "POST",
    path,
    summary,
    produces: "application/json",
    kind: "data",
    answer: (request) => carryOut(request, change, options),
  });
  return [
    route("/api/changes/pause", "Take the instance type, name out of use: reason, seconds (or null).", pause),
    route("/api/changes/resume", "Bring the instance type, name back into use.", resume),
    route("/api/changes/unregister", "Unregister the instance type, name.", unregister),
    route("/api/changes/toggle", "Turn the switch over.", toggle),
  ];
}

async function carryOut(request: RoutedRequest, change: Change, options: ChangeOptions): Promise<Answer> {
  const line = options.tokenLine(request);
  const who = `${request.peer}${line === undefined ? "" : ` with the token on line ${line}`}`;
  try {
    checkOrigin(request.headers, { hasToken: line !== undefined });
    const done = await change(objectIn(request), options);
    options.onChange(`${done}, asked by ${who}`);
    return jsonAnswer({ done: escapeControls(done) });
  } catch (error) {
    const refusal = error instanceof EmpusaError
      ? new HttpError(statusOf(error), escapeControls(shorten(error.message, 1000)))
      : error;
    if (refusal instanceof HttpError) {
      options.onChange(`refused a change, asked by ${who}: ${shorten(refusal.message, 1000)}`);
    }
    throw refusal;
  }
}

function statusOf({ exitCode }: EmpusaError): number {
  switch (exitCode) {
    case ExitCode.absent:
      return 404;
    case ExitCode.refused:
      return 403;
    case ExitCode.unreachable:
      return 503;
    default:
      return 409;
  }
}

async function pause(fields: Fields, { view, registry }: ChangeOptions): Promise<string> {
  const instance = instanceIn(fields, view);
  const { seconds = null } = fields;
  if (seconds !== null && !(Number.isInteger(seconds) && Number(seconds) >= 1 && Number(seconds) <= maxTtl)) {
    throw new HttpError(400, `the field seconds must be null or a whole number from 1 to ${maxTtl}`);
  }
  const reason = fields["reason"] === undefined ? "" : reasonIn(textIn(fields, "reason"));
  const time = seconds === null ? undefined : Number(seconds);
  await registry.services.pause(instance, { reason, seconds: time });
  return `paused ${instanceId(instance)} ${time === undefined ? "until it is resumed" : `for ${time} s`}`;
}

function reasonIn(text: string): string {
  if (text === "") return "";
  try {
    return parseReason(text);
  } catch (error) {
    if (error instanceof InvalidValueError) {
      throw new HttpError(400, `the field reason must ${error.message}`);
    }
    throw error;
  }
}

async function resume(fields: Fields, { view, registry }: ChangeOptions): Promise<string> {
  const instance = instanceIn(fields, view);
  const id = instanceId(instance);
  const { outcome, without } = await registry.services.resume(instance);
  switch (outcome) {
    case "resumed":
      return `resumed ${id}${
        without.length === 0 ? "" : ` without its mirrors ${shorten(without.join(" "))}`
      }`;
    case "not paused":
      throw new HttpError(409, `${escapeControls(id)} is not paused`);
    case "type paused":
      throw new HttpError(
        409,
        escapeControls(`${id} stays out of use: all of ${instance.type} is paused; resume that with empusa`),
      );
  }
}

async function unregister(fields: Fields, { view, registry }: ChangeOptions): Promise<string> {
  const id = instanceId(instanceIn(fields, view));
  if (!await registry.services.remove(id)) throw absent();
  return `unregistered ${id}`;
}

async function toggle(fields: Fields, { view, registry }: ChangeOptions): Promise<string> {
  const name = textIn(fields, "switch");
  if (!view.switches.some((one) => one.name === name)) throw new HttpError(404, "no such switch is set");
  const { value } = await registry.switches.toggle(name);
  return `set the switch ${name} to ${value}`;
}

/** What is not registered cannot be named, so a request makes up no keys. @throws {HttpError} 404 */
function instanceIn(fields: Fields, { services }: ChangeOptions["view"]): RegisteredInstance {
  const instance = services.get(textIn(fields, "type"), textIn(fields, "name"));
  if (instance === undefined) throw absent();
  return instance;
}

function absent(): HttpError {
  return new HttpError(404, "no such instance is registered");
}
