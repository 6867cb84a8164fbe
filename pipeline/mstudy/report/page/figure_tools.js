// ---- what a reader takes along: a link, the rows shown, the picture, the caption ------------------------------------
function saveAs(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
// Where a page has no clipboard (over plain http), the old way by a selection.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "sr" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("this browser lets no page copy");
}
async function copyFrom(button, text) {
  const word = button.textContent;
  await copy(text).then(() => "copied", () => "not copied: the browser refused").then(told => {
    button.textContent = $("told").textContent = told;
    setTimeout(() => button.textContent = word, 1500);
  });
}
const csvCell = value => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
const csvOf = rows => rows.map(row => row.map(value => csvCell(String(value ?? ""))).join(",") + "\r\n").join("");
// The rows of a figure's table that the filter leaves, with more digits than the page shows.
function rowsShown(table) {
  const lines = [...table.tBodies[0].rows].filter(line => !line.hidden);
  const value = cell => { const text = valueOf(cell); return text === "–" ? "" : text.replace(/^−/, "-"); };
  return [[...table.tHead.rows[0].cells].map(head => head.dataset.name), ...lines.map(line => [...line.cells].map(value))];
}
function panelRows(box) {
  const { curves = [], gaps = [], events = [] } = specOf(box).datasets, panel = box.dataset.panel;
  if (panel === "events") return [["event", "optimizer", "seed", "step", "from", "to"], ...events.map(e => [e.name, e.label, e.seed, e.step, e.step_low, e.step_high])];
  const rows = panel === "gap" ? gaps : curves;
  return [["quantity", "optimizer", "seed", "step", "value"], ...rows.map(p => [p.kind, p.label, p.seed, p.step, +p.y.toPrecision(6)])];
}
async function pictureOf(box) {
  await draw(box);
  const drawn = await views.get(box).view.toCanvas(2), canvas = document.createElement("canvas");
  Object.assign(canvas, { width: drawn.width, height: drawn.height });
  const paper = canvas.getContext("2d");
  paper.fillStyle = getComputedStyle(root).getPropertyValue("--card");
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(drawn, 0, 0);
  return new Promise(done => canvas.toBlob(done, "image/png"));
}
async function vectorOf(box) {
  await draw(box);
  return views.get(box).view.toSVG();
}
const FORMATS_OF = {
  CSV: (box, name) => saveAs(name + ".csv", csvOf(panelRows(box)), "text/csv"),
  SVG: async (box, name) => saveAs(name + ".svg", await vectorOf(box), "image/svg+xml"),
  PNG: async (box, name) => saveAs(name + ".png", await pictureOf(box), "image/png"),
};
function tool(word, about, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: word });
  button.setAttribute("aria-label", `${word}: ${about}`);
  button.addEventListener("click", () => act(button));
  return button;
}
const captionOf = figure => figure.querySelector("figcaption").innerText.trim();
function giveTools(figure) {
  const title = figure.querySelector("h4").innerText, table = figure.querySelector("table"), charts = boxes.filter(box => figure.contains(box));
  const bar = Object.assign(document.createElement("div"), { className: "tools screen" });
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", `Take along: ${title}`);
  bar.append(tool("link", `copy the address of ${title}`, button => { anchor = figure.id; changed(); return copyFrom(button, linkTo(figure.id)); }));
  if (table) bar.append(tool("CSV", `save the rows shown of ${title}`, () => saveAs(figure.id + ".csv", csvOf(rowsShown(table)), "text/csv")));
  for (const box of charts) {
    const panel = box.dataset.panel, formats = panel ? ["CSV", "SVG", "PNG"] : ["SVG", "PNG"];
    const name = panel && charts.length > 1 ? `${figure.id}-${panel}` : figure.id;
    if (panel) bar.append(Object.assign(document.createElement("span"), { className: "quiet", textContent: panel }));
    bar.append(...formats.map(word => tool(word, `save ${panel ? panel + " of " : ""}${title}`, () => FORMATS_OF[word](box, name))));
  }
  bar.append(tool("caption", `copy the caption of ${title}`, button => copyFrom(button, captionOf(figure))));
  figure.append(bar);
}
document.querySelectorAll("figure[id]").forEach(giveTools);

