/** What /proc tells of a process: CPU in hundredths of a second since its start, and resident MiB. */
export function usage(pid: number): { readonly ticks: number; readonly memory: number } {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ").map(Number);
  return {
    ticks: (fields[11] ?? 0) + (fields[12] ?? 0),
    memory: mebibytes(`/proc/${pid}/status`, "VmRSS"),
  };
}

/** A figure in KiB of a file in /proc, in MiB; 0 if the file does not have it. */
export function mebibytes(file: string, figure: string): number {
  const text = Deno.readTextFileSync(file);
  return Number(new RegExp(`^${figure}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0) / 1024;
}
