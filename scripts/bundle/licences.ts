/** The licences of what is embedded, which have to go with it. */

/** What comes from JSR has no file of its own with its licence. All of it has the same one as the runtime. */
const notices = [
  ["Deno and its standard library", "Copyright 2018-2025 the Deno authors"],
  ["Cliffy", "Copyright (c) 2020-2025 Benjamin Fischer"],
] as const;

/**
 * The licences of the runtime, of Cliffy and of every npm package that has a file among the inputs.
 * @throws {Error} where a package has none
 */
export async function licences(packages: string, inputs: readonly string[]): Promise<string> {
  const folders = new Set(
    inputs.flatMap((input) =>
      /^node_modules\/\.deno\/[^/]+\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []
    ),
  );
  const mit = await mitText(packages);
  const parts = notices.map(([name, copyright]) => `${name}\n\n${copyright}\n\n${mit}`);
  parts.push(await Deno.readTextFile(new URL("runtime_licenses.txt", import.meta.url)));
  for (const folder of [...folders].toSorted()) {
    parts.push(`${folder.replace(/.*\/node_modules\//, "")}\n\n${await licenceOf(`${packages}/${folder}`)}`);
  }
  return parts.map((part) => `${part.trim()}\n`).join(`\n${"-".repeat(80)}\n\n`);
}

async function licenceOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (/^licen[cs]e(\.(md|txt))?$/i.test(name)) return await Deno.readTextFile(`${folder}/${name}`);
  }
  const { license, author } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`));
  if (license === undefined) throw new Error(`${folder} has no licence`);
  return `Licence: ${license}\nAuthor: ${typeof author === "object" ? author.name : author}`;
}

/** The terms of the MIT licence, without anybody's copyright, from a package that has them. */
async function mitText(packages: string): Promise<string> {
  const text = await licenceOf(`${packages}/node_modules/.deno/node_modules/cockatiel`);
  return text.slice(text.indexOf("Permission is hereby granted"));
}
