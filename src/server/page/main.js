/** Puts the page together: tabs, filter, banner; what is in the address is there again after a reload. */
import { askToken } from "./actions.js";
import { byId, shown, span } from "./dom.js";
import { Model } from "./model.js";
import { Services } from "./services.js";
import { Status } from "./status.js";
import { follow } from "./stream.js";
import { Switches } from "./switches.js";

const model = new Model();
const tabs = { services: new Services(model), switches: new Switches(model), etcd: new Status() };
const names = Object.keys(tabs);
const filter = byId("filter");
const grouped = byId("grouped");
let open = "services";

function read() {
  const query = new URLSearchParams(document.location.search);
  filter.value = query.get("q") ?? "";
  grouped.checked = query.get("flat") === null;
  open = names.find((name) => name === query.get("tab")) ?? "services";
}

function write() {
  const query = new URLSearchParams();
  if (filter.value !== "") query.set("q", filter.value);
  if (!grouped.checked) query.set("flat", "");
  if (open !== "services") query.set("tab", open);
  const text = query.toString();
  history.replaceState(null, "", text === "" ? document.location.pathname : `?${text}`);
}

function show() {
  for (const name of names) {
    const isOpen = name === open;
    byId(name).hidden = !isOpen;
    const tab = byId(`tab-${name}`);
    tab.ariaSelected = `${isOpen}`;
    tab.tabIndex = isOpen ? 0 : -1;
  }
  tabs.services.filter = tabs.switches.filter = filter.value;
  tabs.services.isGrouped = grouped.checked;
  for (const tab of Object.values(tabs)) tab.show();
}

function choose(name) {
  open = name;
  write();
  show();
}

function listen() {
  for (const name of names) byId(`tab-${name}`).addEventListener("click", () => choose(name));
  document.querySelector("[role=tablist]").addEventListener("keydown", ({ key }) => {
    const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? names.length - 1 : 0;
    if (step === 0) return;
    choose(names[(names.indexOf(open) + step) % names.length]);
    byId(`tab-${open}`).focus();
  });
  for (const [element, event] of [[filter, "input"], [grouped, "change"]]) {
    element.addEventListener(event, () => {
      write();
      show();
    });
  }
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    tabs[open].focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input") || byId("dialog").open) return;
    event.preventDefault();
    filter.select();
  });
}

/** Says what is wrong, if something is. */
function state({ problem, stale }) {
  const text = problem !== undefined
    ? `No news from the server: ${problem}. ${
      model.isFilled ? "This is what was known before. " : ""
    }Trying again…`
    : stale > 0
    ? `The server has not heard etcd for ${span(stale)}. This is what was known before.`
    : "";
  const banner = byId("banner");
  if (banner.textContent !== text) banner.textContent = shown(text);
  banner.hidden = text === "";
}

let isDue = false;
model.addEventListener("change", () => {
  if (isDue) return;
  isDue = true;
  // Not by the next frame, of which there is none while nobody looks.
  setTimeout(() => {
    isDue = false;
    show();
  }, 50);
});

read();
listen();
show();
void follow({ onEvent: (kind, data) => model.take(kind, data), onState: state, askToken });
