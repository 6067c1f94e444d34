/** The dialogs: what is known of one item, and, if the operator allows it, what to do with it. */
import { byId, el, foreign, notify } from "./dom.js";
import { ask, token } from "./stream.js";

const mayWrite = document.body.dataset.write === "yes";

/** Shows a dialog with a title until one of its buttons closes it. */
function open(title, ...content) {
  const dialog = byId("dialog");
  dialog.replaceChildren(el("h2", {}, foreign(title)), ...content);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

function button(text, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, text);
}

const close = (text = "Close") => button(text, () => byId("dialog").close());

/** Shows an instance, and what may be done with it. */
export function askWhat(item, facts) {
  const { id, type, name, state } = item;
  const list = facts.filter(([, value]) => value !== "").flatMap((
    [name, value],
  ) => [
    el("dt", {}, name),
    el("dd", {}, typeof value === "string" ? el("bdi", {}, ...lines(value)) : value),
  ]);
  const target = { type, name };
  const choices = !mayWrite ? [] : [
    state === "maintenance"
      ? button("Resume…", () => confirm("resume", `Resume ${id}?`, target))
      : button("Pause…", () => askPause(id, target)),
    button("Unregister…", () =>
      confirm(
        "unregister",
        `Unregister ${id}?`,
        target,
        "A process that keeps it registered will register it again. To take it out of use, pause it.",
      )),
  ];
  open(id, el("dl", {}, ...list), el("p.buttons", {}, ...choices, close()));
}

function lines(text) {
  return text.split("\n").flatMap((line, i) => i === 0 ? [line] : [el("br"), line]);
}

function askPause(id, target) {
  const reason = el("input", { maxLength: 500, autocomplete: "off" });
  const minutes = el("input", {
    type: "number",
    min: "1",
    max: "100000",
    step: "1",
    placeholder: "until it is resumed",
  });
  const fields = [
    el("label", {}, "Reason", reason),
    el("label", {}, "Minutes", minutes),
  ];
  confirm("pause", `Pause ${id}?`, () => ({
    ...target,
    reason: reason.value.trim(),
    seconds: minutes.value === "" ? null : Number(minutes.value) * 60,
  }), ...fields);
  reason.focus();
}

/** Shows a switch, and offers to turn it over. */
export function askToggle({ name, value }) {
  const facts = el("dl", {}, el("dt", {}, "Value"), el("dd", {}, foreign(value)));
  if (mayWrite) confirm("toggle", `Toggle ${name}?`, { switch: name }, facts);
  else open(name, facts, el("p.buttons", {}, close()));
}

/** Asks once, then has the server do it. @param body what to send, or a function that gives it */
function confirm(action, question, body, ...content) {
  const error = el("p.error", { role: "alert" });
  const verb = action[0].toUpperCase() + action.slice(1);
  const form = el("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      error.textContent = "";
      try {
        const done = await send(action, typeof body === "function" ? body() : body);
        byId("dialog").close();
        notify(done);
      } catch (failure) {
        error.replaceChildren(el("bdi", {}, failure.message));
      }
      go.disabled = false;
    },
  });
  const go = el("button.primary", { type: "submit" }, verb);
  form.append(
    ...content.map((one) => one instanceof Node ? one : el("p", {}, one)),
    error,
    el("p.buttons", {}, go, close("Cancel")),
  );
  open(question, form);
  go.focus();
}

async function send(action, body) {
  const answer = await ask(`api/changes/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return (await answer.json()).done;
}

/** Resolves when the user has given a token. @param wasRefused whether one was given that is none */
export function askToken(wasRefused) {
  const { promise, resolve } = Promise.withResolvers();
  const input = el("input", { type: "password", required: true, autocomplete: "off" });
  const form = el("form", {
    onsubmit: (event) => {
      event.preventDefault();
      token.set(input.value.trim());
      dialog.onclose = null;
      dialog.close();
      resolve();
    },
  });
  const why = wasRefused
    ? "The server does not know this token."
    : "The server wants a token. It is kept until this tab is closed.";
  form.append(
    el("p", {}, why),
    el("label", {}, "Token", input),
    el("p.buttons", {}, el("button.primary", {}, "Use it")),
  );
  const dialog = open("Token", form);
  // Nothing can be shown without it.
  dialog.onclose = () => dialog.showModal();
  return promise;
}
