/** The files of the page, as they are sent. */
import index from "./index.html" with { type: "text" };
import style from "./style.css" with { type: "text" };
import tableStyle from "./table.css" with { type: "text" };
import actions from "./actions.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import main from "./main.js" with { type: "text" };
import model from "./model.js" with { type: "text" };
import services from "./services.js" with { type: "text" };
import status from "./status.js" with { type: "text" };
import stream from "./stream.js" with { type: "text" };
import switches from "./switches.js" with { type: "text" };
import table from "./table.js" with { type: "text" };
import ttls from "./ttls.js" with { type: "text" };

/** What the document asks for, by the names that it has there. */
export const files: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "style.css": style,
    "table.css": tableStyle,
    "actions.js": actions,
    "dom.js": dom,
    "main.js": main,
    "model.js": model,
    "services.js": services,
    "status.js": status,
    "stream.js": stream,
    "switches.js": switches,
    "table.js": table,
    "ttls.js": ttls,
  }).map(([name, text]) => [name, compact(text)]),
);

/** The document. @param mayWrite whether it offers changes */
export function document(mayWrite: boolean): string {
  return compact(mayWrite ? index.replace("<body>", '<body data-write="yes">') : index);
}

/** Without comments in front of declarations, and indentation: no text in these files holds either. */
function compact(text: string): string {
  return text.replace(/^ *\/\*\*[^]*?\*\/\n/gm, "").replace(/^ +/gm, "");
}
