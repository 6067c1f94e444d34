/** Whether a process is stopped. */

/** Whether all threads of a process are stopped. */
export async function isFrozen(pid: number): Promise<boolean> {
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    // The state follows the name, which is in brackets.
    const stat = await Deno.readTextFile(`/proc/${pid}/task/${name}/stat`).catch(() => "");
    if (!/\) [Tt] /.test(stat)) return false;
  }
  return true;
}
