import { environment } from "../../../system/environment.ts";
import type { ChildEnvironment } from "../../../system/mod.ts";
import type { Instance } from "../../../registry/mod.ts";
import type { Context } from "../../shared/command.ts";
import { typeOfCommand } from "./settings.ts";

/** Variables for talking to the service manager are not passed on: the command would speak in our name. */
const ofServiceManager = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/** What a service, and those that look after it, find in their environment: ours, and as what it is registered. */
export function serviceEnvironment(
  { type, name, location }: Instance,
  { system, treeRoot }: Pick<Context, "system" | "treeRoot">,
): ChildEnvironment {
  return environment(system, {
    EMPUSA_SERVICE_TYPE: type,
    [typeOfCommand]: type,
    EMPUSA_SERVICE_NAME: name,
    EMPUSA_SERVICE_LOCATION: location,
    EMPUSA_TREE_ROOT: treeRoot === "" ? "/" : treeRoot,
  }, ofServiceManager);
}
