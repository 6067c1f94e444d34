/**
 * Sets environment variables of empusa, and no others of empusa's, until it is disposed of. Other tests have the same
 * environment meanwhile, and rely on the variables that tell how to test.
 */
export function withEnv(variables: Readonly<Record<string, string>>): Disposable {
  const before = Deno.env.toObject();
  const ours = Object.keys(before).filter((name) =>
    name.startsWith("EMPUSA_") && !/^EMPUSA_(UNDER_TEST|TEST_LONG|PACKAGES|BUNDLE_URL)$/.test(name)
  );
  for (const name of ours) Deno.env.delete(name);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () => {
      for (const name of Object.keys(variables)) Deno.env.delete(name);
      for (const name of ours) Deno.env.set(name, before[name] as string);
    },
  };
}
