// ---- one filter over all figures and tables -----------------------------------------------------------------------
// filter: what is shown; null is all. Whoever shows something by batch size or momentum listens to the event "filter"
// on the document and reads `filter` anew.
const filter = { b: null, momentum: null };
const FILTERED = { b: "batch_size", momentum: "momentum" };
const momentumOf = row => row.momentum ?? page.momenta[row.label] ?? null; // SGD, branches and remarks have none
const canBeHidden = row => (row.batch_size ?? null) !== null || (momentumOf(row) ?? 0) > 0;
function isShown(row) {
  const b = row.batch_size ?? null, momentum = momentumOf(row);
  return (filter.b === null || b === null || b === filter.b)
    && (filter.momentum === null || momentum === null || momentum === 0 || momentum === filter.momentum);
}
function setFilter(change) {
  Object.assign(filter, change);
  if (filter.b !== null && blocks[picked.block].batch_size !== filter.b) {
    const now = blocks[picked.block];
    const block = nearestTo(settingOf(now), filter.b, now.eta_ef, x => x.batch_size === filter.b);
    if (block >= 0) picked = { block, seed: null };
  }
  document.dispatchEvent(new CustomEvent("filter", { detail: { ...filter } }));
}
const valueOf = cell => cell.dataset.v ?? cell.textContent; // what a cell shows may be rounded
function filterTable(table) {
  const names = [...table.tHead.rows[0].cells].map(head => head.dataset.name);
  for (const line of table.tBodies[0].rows) {
    const row = {};
    for (const name of Object.values(FILTERED)) {
      const cell = line.cells[names.indexOf(name)];
      if (cell && cell.textContent !== "–") row[name] = +valueOf(cell);
    }
    line.hidden = !isShown(row);
  }
}
const figureTables = [...document.querySelectorAll("figure table")].filter(table => table.tHead);
const batchSizes = unique(all.map(row => row.batch_size)), momenta = unique(Object.values(page.momenta));
function tellFilter() {
  fill($("filter-b"), ["all", ...batchSizes], filter.b ?? "all");
  fill($("filter-momentum"), ["all", ...momenta], filter.momentum ?? "all");
  const parts = [filter.b === null ? "" : `b = ${number(filter.b)}`, filter.momentum === null ? "" : `SGD and μ = ${number(filter.momentum)}`].filter(Boolean);
  write($("filtered"), parts.length ? `Figures, their numbers and the list of runs show ${parts.join(", ")} alone; sentences tell of all, but for the bounds beside the verdicts.` : "");
  $("filtered").hidden = !parts.length;
  root.style.scrollPaddingTop = `${document.querySelector(".bar").offsetHeight + 12}px`;
}
document.addEventListener("filter", () => {
  tellFilter();
  figureTables.forEach(filterTable);
  listRuns();
  redraw(boxes.filter(box => !box.dataset.panel));
  pick(picked.block, picked.seed);
});
const chosen = select => select.value === "all" ? null : +select.value;
$("filter-b").addEventListener("change", () => setFilter({ b: chosen($("filter-b")) }));
$("filter-momentum").addEventListener("change", () => setFilter({ momentum: chosen($("filter-momentum")) }));
$("filter-momentum").parentElement.hidden = momenta.length < 2;
$("filter-b").parentElement.hidden = batchSizes.length < 2;

