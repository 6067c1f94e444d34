/** Making elements. Text from the registry becomes text nodes, and never HTML. */

/** What would reorder, hide or break the text around it: control and format characters, separators of lines. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A foreign text as it is to be shown, with what cannot be seen as an escape. */
export function shown(text) {
  return `${text}`.replace(unseen, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}

/**
 * An element with properties and children. Children that are texts are foreign ones.
 * @param {string} name of the element, and its class behind a period
 */
export function el(name, properties = {}, ...children) {
  const [tag, className] = name.split(".");
  const element = document.createElement(tag);
  if (className !== undefined) element.className = className;
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.map((child) => child instanceof Node ? child : shown(child)));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** A foreign text in a direction of its own, cut by the layout, and as a whole when it is pointed at. */
export function foreign(text) {
  return el("bdi", { title: shown(text).slice(0, 1000) }, text);
}

/** A link if it is a web address, else text. */
export function location(text) {
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return foreign(text);
  return el(
    "a",
    { href: url.href, target: "_blank", rel: "noopener noreferrer", tabIndex: -1 },
    foreign(text),
  );
}

/** A time span in few letters: `7 s`, `3 min`. @param {number} seconds */
export function span(seconds) {
  const [size, unit] = seconds < 120
    ? [1, "s"]
    : seconds < 7200
    ? [60, "min"]
    : seconds < 172_800
    ? [3600, "h"]
    : [86_400, "d"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** Says something once, for people who look and for people who listen. */
export function notify(text) {
  const notice = byId("notice");
  notice.textContent = shown(text);
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => notice.textContent = "", 8000);
}
