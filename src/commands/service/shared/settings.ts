/** The settings that name a service. */
import { InvalidValueError } from "../../../errors.ts";
import { parseName, parsePattern, type Selection } from "../../../registry/mod.ts";
import { optional, required, type Values } from "../../../settings/settings.ts";

const serviceType = {
  flag: "--service-type",
  placeholder: "TYPE",
  env: "EMPUSA_SERVICE_TYPE",
  meaning: "Service type.",
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
    meaning: "Instance name, unique within its type.",
    suggests: "name",
    parse: parseName,
  }),
} as const;

/** The type under which an instance is registered. Older ones may hold a comma; `list` takes it for the end of a type. */
export const newType = required({
  ...serviceType,
  parse: (text: string): string => {
    if (text.includes(",")) throw new InvalidValueError('hold no ","');
    return parseName(text);
  },
});

/** One or more types. */
export const serviceTypes = {
  ...serviceType,
  repeatable: true,
  parse: (text: string): string[] => splitList(text).map(parseName),
} as const;

/** In which variable `service run` repeats the type of its command. */
export const typeOfCommand = "EMPUSA_RUN_SERVICE_TYPE";

/** The settings that select instances. */
export const selection = {
  serviceType: optional({
    ...serviceTypes,
    meaning: "Service types, separated by commas; \\, is a comma in a type.",
    envOfParent: typeOfCommand,
  }),
  name: optional({
    flag: "--name",
    placeholder: "PATTERN",
    env: "EMPUSA_NAME",
    meaning: "Pattern for names: * matches anything, ? one character, [a-z] a range.",
    parse: parsePattern,
  }),
} as const;

/** The values of a list. Behind a backslash a comma is part of one. */
function splitList(text: string): string[] {
  return text.split(/(?<!\\),/).map((value) => value.replaceAll("\\,", ","));
}

/** The selection that settings make. */
export function selected({ serviceType, name }: Values<typeof selection>): Selection {
  return { types: serviceType ?? [], name };
}
