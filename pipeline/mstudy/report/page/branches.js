// ---- runs with their branches: a reader picks the run, and at which time its branches leave it -----------------------
const branchFigures = new Map([...document.querySelectorAll("figure[data-branches]")].map(figure => {
  const held = data("branches-" + figure.id);
  return [figure.id, { figure, parents: held.parents, parent: held.first, time: 0 }];
}));
const branchGaps = rowsOf(explorer.branch_gaps);
function branchFocus(key) {
  const { parents, parent, time } = branchFigures.get(key), { runs: pair, sharpens, times } = parents[parent];
  const { step, runs: branches, texts, ends } = times[time];
  const moments = branches.map((run, k) => ({ run, kind: "is treated", name: "is treated", text: texts[k],
    step, step_low: step, step_high: ends[k] ?? step }));
  if (sharpens) moments.unshift({ run: pair[0], kind: "sharpens", name: "sharpens", step: sharpens[0], step_low: sharpens[1], step_high: sharpens[2] });
  const first = Math.floor(step / 3); // what the branches share with their parent takes little room
  return { mine: [...pair, ...branches], pair, single: true, moments, first, since: run => branches.includes(run) ? step : first };
}
function tellBranches(key) {
  const chosen = branchFigures.get(key), { figure, parents, parent, time } = chosen, { times } = parents[parent];
  const [run, when] = figure.querySelectorAll("select");
  fill(run, parents.map((_, k) => k), parent, k => parents[k].name.replace("η_ef", "η"));
  fill(when, times.map((_, k) => k), time, k => times[k].name);
  write(figure.querySelector("figcaption"), times[time].caption);
  const labels = new Set(branchFocus(key).mine.map(k => runs[k].label));
  figure.querySelector(".legend").replaceChildren(...[...document.querySelectorAll(".bar .legend > span")]
    .filter(span => labels.has(span.textContent)).map(span => span.cloneNode(true)));
}
for (const [key, chosen] of branchFigures) {
  const [run, when] = chosen.figure.querySelectorAll("select");
  const show = change => {
    Object.assign(chosen, change);
    tellBranches(key);
    redraw(boxes.filter(box => chosen.figure.contains(box)));
  };
  run.addEventListener("change", () => show({ parent: +run.value, time: Math.min(chosen.time, chosen.parents[+run.value].times.length - 1) }));
  when.addEventListener("change", () => show({ time: +when.value }));
  tellBranches(key);
}
