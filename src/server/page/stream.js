/** Follows the events of the server. `EventSource` would do the same, but cannot show a token. */

/** Milliseconds without a byte after which the connection is given up: a quiet server speaks every 5 s. */
const silence = 15_000;

/** Milliseconds for which a page is not looked at until its connection ends: browsers have few for all tabs of a server. */
const unseen = 3000;

/** Milliseconds between two attempts, at least and at most. */
const [shortest, longest] = [300, 5000];

/** The token that the user gave, which lasts as long as the tab. */
export const token = {
  get: () => sessionStorage.getItem("token"),
  set: (text) => sessionStorage.setItem("token", text),
};

/** Asks the server, with the token if there is one. */
export function ask(path, options = {}) {
  const known = token.get();
  const headers = { ...options.headers, ...known === null ? {} : { Authorization: `Bearer ${known}` } };
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(silence), ...options, headers });
}

/**
 * Follows without end.
 * @param onEvent takes each event: its kind and data
 * @param onState hears `{ stale }`, seconds for which the server has not heard etcd, or `{ problem }`, why nothing comes
 * @param askToken resolves when the user has given a token
 */
export async function follow({ onEvent, onState, askToken }) {
  let last;
  const take = (text) => {
    const { event, id, data } = fields(text);
    if (data === undefined) return;
    if (event === "status") return onState({ stale: JSON.parse(data).stale_seconds });
    onEvent(event, JSON.parse(data));
    last = id;
    // A change has just come from etcd. What else there is may be from memory.
    if (event === "change") onState({ stale: 0 });
  };
  for (let pause = shortest;;) {
    await looked();
    try {
      for await (const text of events(last, onState)) {
        pause = shortest;
        take(text);
      }
      onState({ problem: "the server ended the connection" });
    } catch (error) {
      if (error.status === 401) {
        await askToken(token.get() !== null);
        continue;
      }
      if (isHidden()) continue;
      onState({ problem: error.status === undefined ? "no connection to the server" : error.message });
    }
    await new Promise((resolve) => setTimeout(resolve, pause * (1 + Math.random() / 2)));
    pause = Math.min(2 * pause, longest);
  }
}

const isHidden = () => document.visibilityState === "hidden";

/** Resolves when somebody looks at the page. */
async function looked() {
  while (isHidden()) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

/** The events of one connection, each as its lines. */
async function* events(last, onState) {
  const over = new AbortController();
  const end = () => over.abort();
  let [timer, hidden] = [];
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(end, silence);
  };
  const look = () => {
    clearTimeout(hidden);
    if (isHidden()) hidden = setTimeout(end, unseen);
  };
  document.addEventListener("visibilitychange", look, { signal: over.signal });
  heard();
  look();
  try {
    const headers = last === undefined ? {} : { "Last-Event-ID": last };
    const answer = await ask("api/events", { headers, signal: over.signal });
    if (!answer.ok) throw Object.assign(new Error((await answer.text()).trim()), { status: answer.status });
    onState({ stale: Number(answer.headers.get("X-Empusa-Stale-Seconds")) });
    let text = "";
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part; !(part = await reader.read()).done;) {
      heard();
      let from = Math.max(text.length - 1, 0);
      text += part.value;
      for (let end; (end = text.indexOf("\n\n", from)) >= 0; from = 0) {
        yield text.slice(0, end);
        text = text.slice(end + 2);
      }
    }
  } finally {
    clearTimeout(timer);
    clearTimeout(hidden);
    over.abort();
  }
}

function fields(text) {
  return Object.fromEntries(
    text.split("\n").map((line) => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
}
