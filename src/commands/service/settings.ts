/** The settings that say which service is meant. */
import { parseName, parsePattern, type Selection } from "../../registry/mod.ts";
import { optional, required, type Values } from "../settings.ts";

const serviceType = {
  flag: "--service-type",
  placeholder: "TYPE",
  env: "EMPUSA_SERVICE_TYPE",
  meaning: "What kind of service it is.",
  suggests: "type",
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
    suggests: "name",
    parse: parseName,
  }),
} as const;

/** One or more types. */
export const serviceTypes = {
  ...serviceType,
  repeatable: true,
  parse: (text: string): string[] => text.split(",").map(parseName),
} as const;

/** In which variable `service run` repeats the type of its command. */
export const typeOfCommand = "EMPUSA_RUN_SERVICE_TYPE";

/** Which instances are meant, where they are chosen among. */
export const selection = {
  serviceType: optional({
    ...serviceTypes,
    meaning: "Only services of this type; several are separated by commas.",
    envOfParent: typeOfCommand,
  }),
  name: optional({
    flag: "--name",
    placeholder: "PATTERN",
    env: "EMPUSA_NAME",
    meaning: "Only instances whose name matches: * is anything, ? one character, [a-z] one of those.",
    parse: parsePattern,
  }),
} as const;

/** The selection that settings make. */
export function selected({ serviceType, name }: Values<typeof selection>): Selection {
  return { types: serviceType ?? [], name };
}
