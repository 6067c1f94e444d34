/** The settings that say which service is meant. */
import { parseName } from "../../registry/mod.ts";
import { optional, required } from "../settings.ts";

const serviceType = {
  flag: "--service-type",
  placeholder: "TYPE",
  env: "EMPUSA_SERVICE_TYPE",
  meaning: "What kind of service it is.",
  parse: parseName,
} as const;

/** Which instance of which service. */
export const identity = {
  serviceType: required(serviceType),
  serviceName: required({
    flag: "--service-name",
    placeholder: "NAME",
    env: "EMPUSA_SERVICE_NAME",
    meaning: "The name of the instance among those of its type.",
    parse: parseName,
  }),
} as const;

/** Only the services of one type, where it is given. */
export const selection = {
  serviceType: optional({ ...serviceType, meaning: "Only services of this type." }),
} as const;
