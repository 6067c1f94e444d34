/** The settings that name a service. */
import { InvalidValueError } from "../../../errors.ts";
import { parseName, parsePairs, parsePattern, parseTags, type Selection } from "../../../registry/mod.ts";
import { gathered, optional, required, splitAtCommas, type Values } from "../../../settings/settings.ts";

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
  parse: (text: string): string[] => splitAtCommas(text).map(parseName),
} as const;

/** Tags, in an option or a variable. */
export const tags = {
  flag: "--tag",
  placeholder: "TAG",
  commas: true,
  suggests: "tag",
  parseAll: (values: readonly string[]): readonly string[] => parseTags(values.flatMap(splitAtCommas)),
} as const;

/** Pairs of metadata, likewise. */
export const pairs = {
  flag: "--meta",
  placeholder: "PAIR",
  commas: true,
  parseAll: parsePairs,
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
  tag: gathered({
    ...tags,
    env: "EMPUSA_TAGS",
    meaning: "Tag that an instance must have; with several, all of them.",
  }),
  meta: gathered({
    ...pairs,
    env: "EMPUSA_META",
    meaning: "KEY=VALUE that the metadata of an instance must have; with several, all of them.",
  }),
} as const;

/** The selection that settings make. */
export function selected(
  { serviceType, name, tag: tags, meta }: Values<Omit<typeof selection, "serviceType">> & {
    readonly serviceType?: readonly string[] | undefined;
  },
): Selection {
  return { types: serviceType ?? [], name, tags, meta };
}
