/** The path of a file of this project, from its place in it. */
export function projectFile(place: string): string {
  return decodeURIComponent(new URL(`../../${place}`, import.meta.url).pathname);
}
