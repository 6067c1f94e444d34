import { asObject, servicesAsJson } from "../../../formats/json.ts";
import {
  compareInstances,
  instanceId,
  type RegisteredInstance,
  type Selection,
} from "../../../registry/mod.ts";
import type { WatchedResource } from "../../shared/watching.ts";

/** The instances of a selection, as they are followed. */
export function services(selection: Selection): WatchedResource<RegisteredInstance> {
  return {
    watch: (registry, options) => registry.services.watch(selection, options),
    idOf: instanceId,
    compare: compareInstances,
    plural: "services",
    countedIn: "EMPUSA_SERVICE_COUNT",
    object: (instance) => asObject(instance),
    json: servicesAsJson,
    columns: (instance) => [instanceId(instance), instance.location],
  };
}
