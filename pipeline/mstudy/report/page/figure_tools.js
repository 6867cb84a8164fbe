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
// The curves and events that the panels of a figure draw.
function curveRows(panels) {
  const rows = panels.flatMap(box => {
    const { curves = [], gaps = [], events = [] } = specOf(box).datasets;
    if (box.dataset.panel === "events") return events.map(e => [e.name, e.label, e.seed, e.step, "", e.step_low, e.step_high]);
    return (box.dataset.panel === "gap" ? gaps : curves).map(p => [p.kind, p.label, p.seed, p.step, +p.y.toPrecision(6)]);
  });
  return [["quantity", "optimizer", "seed", "step", "value", "from", "to"], ...rows.map(row => [...row, "", ""].slice(0, 7))];
}
async function drawnViews(charts) {
  for (const box of charts) await draw(box);
  return charts.map(box => views.get(box)?.view).filter(Boolean);
}
// Panels below each other, as on the page.
async function pictureOf(charts) {
  const parts = await Promise.all((await drawnViews(charts)).map(view => view.toCanvas(2)));
  const canvas = document.createElement("canvas"), paper = canvas.getContext("2d");
  Object.assign(canvas, { width: Math.max(...parts.map(p => p.width)), height: parts.reduce((sum, p) => sum + p.height, 0) });
  paper.fillStyle = getComputedStyle(root).getPropertyValue("--card");
  paper.fillRect(0, 0, canvas.width, canvas.height);
  let top = 0;
  for (const part of parts) { paper.drawImage(part, 0, top); top += part.height; }
  return new Promise(done => canvas.toBlob(done, "image/png"));
}
async function vectorOf(charts) {
  const parts = await Promise.all((await drawnViews(charts)).map(view => view.toSVG()));
  if (parts.length === 1) return parts[0];
  const size = (svg, name) => +svg.match(new RegExp(`<svg[^>]* ${name}="([\\d.]+)"`))[1];
  let top = 0;
  const placed = parts.map(svg => { const at = top; top += size(svg, "height"); return svg.replace("<svg ", `<svg y="${at}" `); });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.max(...parts.map(svg => size(svg, "width")))}" height="${top}">${placed.join("")}</svg>`;
}
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
  const rows = () => charts.some(box => box.dataset.panel) ? curveRows(charts) : rowsShown(table);
  if (table || charts.length) bar.append(tool("CSV", `save the rows shown of ${title}`, () => saveAs(figure.id + ".csv", csvOf(rows()), "text/csv")));
  if (charts.length) bar.append(
    tool("SVG", `save ${title}`, async () => saveAs(figure.id + ".svg", await vectorOf(charts), "image/svg+xml")),
    tool("PNG", `save ${title}`, async () => saveAs(figure.id + ".png", await pictureOf(charts), "image/png")));
  bar.append(tool("caption", `copy the caption of ${title}`, button => copyFrom(button, captionOf(figure))));
  figure.append(bar);
}
document.querySelectorAll("figure[id]").forEach(giveTools);
for (const button of document.querySelectorAll("[data-copies]")) button.addEventListener("click", () => copyFrom(button, $(button.dataset.copies).textContent));

