/** A real browser without a window, driven by the Chrome DevTools Protocol. */
import { missingPrograms } from "./lacking.ts";
import { until } from "./pause.ts";

const program = "chromium-headless-shell";

/** Names the browser if this machine lacks it, or is undefined. */
export const missingBrowser = (): string | undefined => missingPrograms(program);

// deno-lint-ignore no-explicit-any -- what the protocol gives is looked into
type Fields = Record<string, any>;

/** As root, which Chromium's sandbox refuses; and without all that asks for hosts of its makers. */
const options = [
  ..."--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync --remote-debugging-port=0 about:blank".split(" "),
];

export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #listeners = new Map<string, (method: string, params: Fields) => void>();
  #last = 0;

  private constructor(process: Deno.ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  static async start(): Promise<Browser> {
    const profile = await Deno.makeTempDir({ prefix: "empusa-test-browser-" });
    const args = [`--user-data-dir=${profile}`, ...options];
    const process = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
    let where: string[] = [];
    await until("the browser listens", async () => {
      const text = await Deno.readTextFile(`${profile}/DevToolsActivePort`).catch(() => "");
      where = text.split("\n");
      return where.length === 2;
    }, 20);
    const socket = new WebSocket(`ws://127.0.0.1:${where[0]}${where[1]}`);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Browser(process, profile, socket);
  }

  /** Opens a page in a tab of its own, which shares nothing with others. */
  async open(url: string, size = { width: 1200, height: 800 }): Promise<Page> {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page((method, params) => this.send(method, params, sessionId));
    this.#listeners.set(sessionId, page.take);
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    await page.resize(size);
    await page.send("Page.navigate", { url });
    return page;
  }

  /** Calls a method of the protocol. */
  async send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#last;
    const answer = Promise.withResolvers<Fields>();
    this.#waiting.set(id, answer);
    const late = setTimeout(() => answer.reject(new Error(`${method} is not answered`)), 20_000);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    try {
      return await answer.promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  #take({ id, result, error, method, params, sessionId }: Fields): void {
    if (id === undefined) return this.#listeners.get(sessionId)?.(method, params);
    if (error === undefined) this.#waiting.get(id)?.resolve(result);
    else this.#waiting.get(id)?.reject(new Error(error.message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    await this.send("Browser.close");
    await Promise.all([closed, this.#process.status]);
    await Deno.remove(this.#profile, { recursive: true });
  }
}

export class Page {
  readonly send: (method: string, params?: Fields) => Promise<Fields>;
  /** The URLs that it has asked for. */
  readonly requests: string[] = [];
  /** What went wrong in it: exceptions, refusals of its policy, failed requests. */
  readonly errors: string[] = [];

  constructor(send: Page["send"]) {
    this.send = send;
  }

  /** Takes an event of the protocol. */
  readonly take = (method: string, params: Fields): void => {
    if (method === "Network.requestWillBeSent") this.requests.push(params["request"].url);
    if (method === "Log.entryAdded") this.errors.push(params["entry"].text);
    if (method === "Runtime.exceptionThrown") {
      this.errors.push(JSON.stringify(params["exceptionDetails"]));
    }
  };

  /** The value of an expression there. */
  // deno-lint-ignore no-explicit-any -- the test knows what it asks for
  async get(expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Resolves when an expression is true there. While it throws, such as for an element that is not there yet, it is not. */
  async until(expression: string, seconds?: number): Promise<void> {
    try {
      await until(expression, async () => await this.get(expression).catch(() => false) === true, seconds);
    } catch (error) {
      throw new Error(`the page says ${await this.get("document.body.innerText")}`, { cause: error });
    }
  }

  /** Types a text, as a keyboard would. */
  async type(text: string): Promise<void> {
    await this.send("Input.insertText", { text });
  }

  /** Presses keys, such as `/` and `ArrowDown`. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const text = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {};
      const windowsVirtualKeyCode = codes[key] ?? 0;
      const event = { key, code: key, windowsVirtualKeyCode };
      await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...text });
      await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    }
  }

  /** Clicks into the middle of an element that an expression gives. */
  async click(expression: string): Promise<void> {
    const { x, y } = await this.get(
      `(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))((${expression}).getBoundingClientRect())`,
    );
    const event = { x, y, button: "left", clickCount: 1 };
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, ...event });
    }
  }

  async resize({ width, height }: { readonly width: number; readonly height: number }): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
  }

  /** Shows it as in a dark, or a light, surrounding. */
  async prefer(scheme: "dark" | "light"): Promise<void> {
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  /** A picture of it, as PNG. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  }
}

const codes: Readonly<Record<string, number>> = {
  Enter: 13,
  Escape: 27,
  PageUp: 33,
  PageDown: 34,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
};
