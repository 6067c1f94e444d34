/** What tests of the page have in common: expressions that find its parts. */
import { assertEquals } from "@std/assert";
import { Browser, missingBrowser, type Page } from "./browser.ts";
import { Etcd } from "./etcd.ts";
import type { ServingHere } from "./serving.ts";

/** Registers a test of the page; etcd3 and grpc-js end their timers and sockets in their own time. */
export function testPage(name: string, fn: (browser: Browser, etcd: Etcd) => Promise<void>): void {
  const missing = missingBrowser();
  Deno.test({
    name: missing === undefined ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using etcd = await Etcd.start();
      await using browser = await Browser.start();
      await fn(browser, etcd);
    },
  });
}

/** The names of the instances that are shown. */
export const names = `[...document.querySelectorAll("#services td.name")].map((cell) => cell.textContent)`;
/** The row that holds a text. */
export const row = (name: string): string =>
  `[...document.querySelectorAll("tbody tr:not(.group)")].find((row) => row.textContent.includes(${
    JSON.stringify(name)
  }))`;
/** Where to click to open it: in its middle there may be a link. */
export const opener = (name: string): string => `${row(name)}.cells[0]`;
/** The button with a text, in the dialog. */
export const button = (text: string): string =>
  `[...document.querySelectorAll("dialog button")].find((one) => one.textContent === ${
    JSON.stringify(text)
  })`;
export const isShown = (name: string): string => `${names}.includes(${JSON.stringify(name)})`;
export const state = (name: string): string => `${row(name)}?.querySelector(".state .state")?.textContent`;

/** Registers instances of web. */
export async function web({ registry }: ServingHere, ...instances: readonly string[]): Promise<void> {
  const { services } = registry;
  for (const name of instances) {
    await services.register({ type: "web", name, location: `http://${name}:80/` });
  }
}

/** Nothing went wrong in the page, and it has asked nobody else. */
export function assertClean({ errors, requests }: Page, { url }: ServingHere): void {
  assertEquals(errors, []);
  assertEquals(requests.filter((one) => !one.startsWith(`${url}/`) && !one.startsWith("data:")), []);
}
