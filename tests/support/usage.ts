/** What /proc tells of a process: CPU in hundredths of a second since its start, and resident MiB. */
export function usage(pid: number): { readonly ticks: number; readonly memory: number } {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ").map(Number);
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return {
    ticks: (fields[11] ?? 0) + (fields[12] ?? 0),
    memory: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024,
  };
}
