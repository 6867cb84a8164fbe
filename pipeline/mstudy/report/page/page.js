// Read with branches.js, filter.js, link.js, figure_tools.js and start.js as one script: page.html.
const $ = id => document.getElementById(id);
const data = id => JSON.parse($(id).textContent);
const page = data("page-data"), explorer = data("explorer-data"), list = data("runs-data");
const root = document.documentElement;
const ROW = 30, LANE = 0.23, SPREAD = 0.34; // of a row of events, as in panels.py and pictures/block.py: pixels, shares of it

// ---- decoding: columns to rows, 16-bit places to numbers ----------------------------------------------------------
const rowsOf = columns => {
  const names = Object.keys(columns);
  return names.length ? columns[names[0]].map((_, k) => Object.fromEntries(names.map(name => [name, columns[name][k]]))) : [];
};
const places = text => {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  return Array.from({ length: bytes.length / 2 }, (_, k) => bytes[2 * k] + 256 * bytes[2 * k + 1]);
};
function stepsOf(packed) {
  if (typeof packed[1] !== "string") return packed;
  let step = packed[0];
  return [step, ...places(packed[1]).map(difference => step += difference)];
}
function curveOf([grid, low, high, text], log) {
  const values = places(text).map(place => low + place / 65535 * (high - low));
  const steps = stepsOf(explorer.steps[grid]);
  return values.map((value, k) => ({ step: steps[k], x: steps[k] + 1, y: log ? Math.min(Math.exp(value), Number.MAX_VALUE) : value }));
}

// ---- drawing: each chart when it comes near, anew in another theme ------------------------------------------------
const views = new Map();
const dark = () => root.dataset.theme === "dark";
const recolour = text => dark() ? Object.entries(page.dark).reduce((t, [a, b]) => t.replaceAll(a, b), text) : text;
function specOf(box) {
  const text = $(box.dataset.spec ? "spec-" + box.dataset.spec : "panel-" + box.dataset.panel).textContent;
  const spec = JSON.parse(recolour(text));
  let named = 0, kept = 0; // rows that the filter can leave out, and those of them that it leaves
  for (const name in spec.datasets || {}) {
    const rows = rowsOf(spec.datasets[name]);
    spec.datasets[name] = rows.filter(isShown);
    named += rows.filter(canBeHidden).length;
    kept += spec.datasets[name].filter(canBeHidden).length;
  }
  if (named > 0 && kept === 0) return null;
  return box.dataset.panel ? withRuns(spec, box.dataset.panel, focusOf(box)) : spec;
}
async function draw(box) {
  if (views.has(box)) return;
  views.set(box, null);
  const spec = specOf(box);
  if (spec === null) {
    box.textContent = "Nothing to show here under the filter.";
    views.delete(box);
    return;
  }
  const config = page.config[dark() ? "dark" : "light"];
  const options = { renderer: "svg", ast: true, config, actions: false, tooltip: { theme: dark() ? "dark" : "light" } };
  const drawn = await vegaEmbed(box, spec, options);
  views.set(box, Object.assign(drawn, { dark: config === page.config.dark }));
  box.querySelector("svg").setAttribute("aria-hidden", "true"); // the box has the words
  mark(drawn.view);
  if (!before) redrawInTheme([box]); // the theme may have been changed meanwhile
  drawn.view.addEventListener("click", (event, item) => item && item.datum && pickFrom(item.datum, box));
}
function redraw(boxes) {
  for (const box of boxes) {
    const drawn = views.get(box), emptied = !views.has(box) && box.textContent !== "";
    if (drawn) { drawn.view.finalize(); views.delete(box); }
    if (drawn || emptied) { box.replaceChildren(); draw(box); }
  }
}
const redrawInTheme = boxes => redraw(boxes.filter(box => views.get(box) && views.get(box).dark !== dark()));
const boxes = [...document.querySelectorAll(".chart")];
const shown = box => !box.closest("figure").hidden;
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, { rootMargin: "600px" });
const panels = boxes.filter(box => box.dataset.panel && !box.dataset.pair && !box.dataset.branches); // those that follow what is picked

// ---- the block that is picked: its curves, levels, gaps and events ------------------------------------------------
const runs = rowsOf(explorer.runs), blocks = rowsOf(explorer.blocks), pairs = rowsOf(explorer.pairs);
const events = rowsOf(explorer.events), medians = rowsOf(explorer.medians);
const inBlock = blocks.map(() => []);
runs.forEach((run, k) => inBlock[run.block].push(k));
const settingOf = block => page.settings.findIndex(s => ["study", "model", "dataset", "objective"].every((key, k) => block[key] === s.key[k]));
let picked = { block: 0, seed: null };
const pickedRuns = () => inBlock[picked.block].filter(k => (picked.seed === null || runs[k].seed === picked.seed) && isShown(runs[k]));
const isLog = name => name !== "gap" && !explorer.linear.includes(name); // of a quantity, and of the panel of its name
const named = new Map(rowsOf(explorer.optimizers).map(label => [label.name, label]));

// What a box of curves shows: the runs of the picked block, or the two of a pair with the moments that it marks, and
// perhaps with branches: then the axis begins at the step `first`, and each run is drawn since a step of its own.
function focusOf(box) {
  if (box.dataset.branches !== undefined) return branchFocus(box.dataset.branches);
  if (box.dataset.pair === undefined) return { mine: pickedRuns(), single: picked.seed !== null, moments: null };
  const pair = data("pair-" + box.dataset.pair);
  return { mine: pair.runs, single: true, moments: pair.moments };
}
function curvesOf(names, { mine, single, since = () => 0 }) {
  const rows = [];
  for (const k of mine) for (const name of names)
    for (const point of curveOf(explorer.curves[k][name], isLog(name))) if (point.step >= since(k))
      rows.push({ ...point, kind: name, run: k, label: runs[k].label, seed: runs[k].seed, single });
  if (!single) for (const median of medians) if (mine.includes(median.first)) for (const name of names)
    if (median[name]) for (const point of curveOf(median[name], isLog(name)))
      rows.push({ ...point, kind: "median " + name, run: -1 - median.first, label: runs[median.first].label });
  return rows;
}
function gapsOf({ mine, pair: [sgd] = [], single, since }) {
  const rowsOfGap = (packed, run, label) => curveOf(packed, false).map(point => ({ ...point, kind: "gap", run, label, seed: runs[run].seed, single }));
  const own = pairs.filter(pair => mine.includes(pair.sgdm));
  if (!since) return own.flatMap(pair => rowsOfGap(pair.gap, pair.sgdm, runs[pair.sgdm].label));
  // Beside branches the gap of the pair itself is that of SGD left alone, in the colour of SGD.
  return [...own.flatMap(pair => rowsOfGap(pair.gap, pair.sgd, runs[sgd].label)),
    ...branchGaps.filter(row => mine.includes(row.branch)).flatMap(row => rowsOfGap(row.gap, row.branch, runs[row.branch].label))]
    .filter(point => point.step >= since(point.run));
}
function eventsOf(focus) {
  const mine = new Set(focus.mine);
  const at = row => ({ at: Math.max(row.step, 0) + 1, low: Math.max(row.step_low ?? row.step, 0) + 1, high: Math.max(row.step_high ?? row.step, 0) + 1 });
  const told = (row, run, kind, name) => ({ kind, name, run, label: runs[run].label, seed: runs[run].seed,
    text: row.text, step: row.step, step_low: row.step_low, step_high: row.step_high, ...at(row) });
  if (focus.moments) return focus.moments.map(m => told(m, m.run, m.kind, m.name));
  const found = events.filter(e => mine.has(e.run)).map(e => told(e, e.run, e.kind, e.kind));
  for (const pair of pairs) if (mine.has(pair.sgdm) && pair.status === page.parted) found.push(told(pair, pair.sgdm, "parts", "parts from SGD"));
  for (const k of mine) if (runs[k].diverged_step !== null) found.push(told({ step: runs[k].diverged_step }, k, "diverges", "diverges"));
  return found;
}
function eventRows(focus) {
  const found = eventsOf(focus), kinds = ["sharpens", "reaches its line", "parts", "diverges", "is treated"];
  const rows = page.optimizers.flatMap(label => kinds.map(kind => ({ label, kind })))
    .filter(row => found.some(e => e.label === row.label && e.kind === row.kind))
    .map((row, k) => [row, k, found.find(e => e.label === row.label && e.kind === row.kind)])
    .map(([row, k, first]) => ({ ...row, row: k, name: first.text ?? named.get(row.label).short + " " + first.name }));
  const seeds = [...new Set(found.map(e => e.seed))].sort((a, b) => a - b);
  for (const event of found) {
    event.row = rows.findIndex(row => row.label === event.label && row.kind === event.kind);
    event.place = event.row + LANE + (seeds.length > 1 ? (seeds.indexOf(event.seed) / (seeds.length - 1) - 0.5) * SPREAD : 0);
  }
  return [found, rows];
}
function ticks(low, high) {
  const decades = Math.log10(high) - Math.log10(low);  // of a quotient that a float need not hold
  const digits = decades < Math.log10(6) ? [1, 1.5, 2, 3, 5, 7] : decades < Math.log10(300) ? [1, 2, 5] : [1], values = [];
  const every = Math.max(1, Math.ceil(decades / 8));
  const first = Math.max(Math.floor(Math.log10(low)), -307), last = Math.min(Math.ceil(Math.log10(high)), 307);
  for (let power = first; power <= last; power++) if (digits.length > 1 || power % every === 0)
    for (const digit of digits) if (digit * 10 ** power >= low && digit * 10 ** power <= high) values.push(+`${digit}e${power}`);
  return values;
}
// Of a treatment the curves show where it begins, in the colour of the run that the branches leave.
const spanOf = ({ pair }) => event => event.kind === "is treated" ? { ...event, high: event.low, label: runs[pair[0]].label } : event;
const PAIR_HEIGHTS = { curvature: 130, loss: 95, gap: 125 }; // pixels, of the panels of one pair
function withRuns(spec, panel, focus) {
  const { mine, single } = focus, last = Math.max(10, ...mine.flatMap(k => curveOf(explorer.curves[k].loss, isLog("loss")).map(p => p.x)));
  const [found, rows] = eventRows(focus), loss = curvesOf(["loss"], focus);
  const names = explorer.panels[panel] ?? [], curves = names.length ? curvesOf(focus.since ? names.slice(0, 1) : names, focus) : loss;
  const ends = mine.filter(k => runs[k].diverged_step !== null).map(k => {
    const own = loss.filter(p => p.run === k);
    return { ...own[own.length - 1] };
  }).filter(end => end.x);
  const levels = page.optimizers.flatMap(label => {
    const run = (focus.pair ?? mine).find(k => runs[k].label === label);
    return (runs[run]?.line ?? null) === null ? [] : [{ label, level: runs[run].line, name: named.get(label).line_name }];
  });
  const gaps = gapsOf(focus), log = isLog(panel);
  const heights = panel === "gap" ? [0, ...gaps.map(p => p.y)] : [...curves.map(p => p.y), ...(panel === "curvature" && curves.length ? levels.map(l => l.level) : [])];
  const [low, high] = heights.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
  const range = !(low <= high) ? [0.1, 1] : log ? [Math.max(low / 1.3, 2.3e-308), Math.min(high * 1.3, Number.MAX_VALUE)] : [low - 0.05 * (high - low) - 1e-6, high + 0.05 * (high - low) + 1e-6];
  spec.datasets = { ...spec.datasets, curves, ends, levels: curves.length ? levels : [], gaps, events: found, rows, spans: single ? found.map(spanOf(focus)) : [] };
  for (const param of spec.params) {
    if (param.name === "first_step") param.value = (focus.first ?? 0) + 1;
    if (param.name === "last_step") param.value = last * 1.05;
    if (param.name === "y_ticks") param.value = ticks(...range);
    if (param.name === "y_low") param.value = range[0];
    if (param.name === "y_high") param.value = range[1];
    if (param.name === "n_rows") param.value = Math.max(rows.length, 1);
  }
  if (focus.moments && panel in PAIR_HEIGHTS) spec.height = PAIR_HEIGHTS[panel];
  if (panel === "events") spec.height = ROW * Math.max(rows.length, 1);
  return spec;
}

// ---- one control for all charts -----------------------------------------------------------------------------------
const number = value => value === null ? "–" : typeof value !== "number" ? value : Math.abs(value) >= 1000 && !Number.isInteger(value)
  ? Math.round(value).toLocaleString("en") : Number.isInteger(value) ? value.toLocaleString("en") : String(+value.toPrecision(3)).replace(/e(-?)\+?(\d+)/, (_, sign, power) => "·10" + (sign && "⁻") + [...power].map(digit => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")).replace(/^-/, "−");
function fill(select, values, chosen, text = number) {
  select.replaceChildren(...values.map(value => {
    const option = new Option(text(value), String(value));
    option.selected = value === chosen;
    return option;
  }));
}
const unique = values => [...new Set(values)].sort((a, b) => a - b);
function controls() {
  const block = blocks[picked.block], setting = settingOf(block);
  const here = blocks.filter(b => settingOf(b) === setting);
  fill($("pick-setting"), page.settings.map((_, k) => k), setting, k => page.settings[k].name);
  fill($("pick-b"), unique(here.map(b => b.batch_size)), block.batch_size);
  fill($("pick-rate"), unique(here.filter(b => b.batch_size === block.batch_size).map(b => b.eta_ef)), block.eta_ef);
  const seeds = unique(inBlock[picked.block].map(k => runs[k].seed));
  fill($("pick-seed"), ["all", ...seeds], picked.seed ?? "all", v => v === "all" ? "all " + seeds.length : String(v));
  $("pick-setting").parentElement.hidden = page.settings.length < 2;
  $("pick-b").parentElement.hidden = filter.b === block.batch_size; // the filter says it
}
function mark(view) {
  try { view.signal("picked_rate", blocks[picked.block].eta_ef).runAsync(); } catch { /* a chart without a rate axis */ }
}
function pick(block, seed) {
  if (block < 0 || block >= blocks.length) return;
  const seeds = inBlock[block].map(k => runs[k].seed);
  picked = { block, seed: seeds.includes(seed) ? seed : null };
  controls();
  tell();
  showFigures();
  tellUnits();
  for (const [box, drawn] of views) if (drawn && !box.dataset.panel) mark(drawn.view);
  redraw(panels);
  changed();
}
const ofStudy = figure => figure.dataset.setting === undefined || +figure.dataset.setting === settingOf(blocks[picked.block]);
const ofBatch = figure => figure.dataset.b === undefined || filter.b === null || +figure.dataset.b === filter.b;
// Of the figures of one momentum those of the largest are shown, until the filter picks another.
const ofMomentum = figure => figure.dataset.momentum === undefined || +figure.dataset.momentum === (filter.momentum ?? page.main_momentum);
function showFigures() {
  for (const figure of document.querySelectorAll("figure")) {
    figure.hidden = !ofStudy(figure) || !ofBatch(figure) || !ofMomentum(figure);
    figure.classList.toggle("picked", +figure.dataset.b === blocks[picked.block].batch_size);
  }
  document.querySelectorAll(".plate").forEach(pointElsewhere);
}
// Where the chosen study has no figure of a kind, which have.
function pointElsewhere(plate) {
  const figures = [...plate.querySelectorAll("figure")], note = plate.querySelector(".elsewhere");
  note.hidden = figures.length === 0 || figures.some(figure => !figure.hidden);
  if (note.hidden) return;
  if (figures.some(ofStudy)) {
    note.textContent = "None under the filter.";
    return;
  }
  note.replaceChildren("Not of this study; of ", ...unique(figures.map(figure => +figure.dataset.setting)).map(setting => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: page.settings[setting].name });
    button.addEventListener("click", () => pick(blocks.findIndex(block => settingOf(block) === setting), null));
    return button;
  }));
}
// Text with its signs set properly: only text nodes, <sub> and <sup> are made.
function write(element, text) {
  element.replaceChildren(...text.replace(/ (=|≥) /g, "\u00a0$1\u00a0").split(/((?<=[ηλ])_(?:ef|max)|(?<=10)\^−?\d+)/).map(part => {
    if (!/^[_^]/.test(part)) return part;
    return Object.assign(document.createElement(part[0] === "_" ? "sub" : "sup"), { textContent: part.slice(1) });
  }));
}
function tell() {
  const block = blocks[picked.block], mine = pickedRuns(), own = new Set(mine);
  const sentences = [...mine.map(k => runs[k].sentence), ...pairs.filter(pair => own.has(pair.sgdm)).map(pair => pair.sentence)];
  const seeds = unique(mine.map(k => runs[k].seed));
  const where = (page.settings.length > 1 ? page.settings[settingOf(block)].name + ": " : "") + `b = ${number(block.batch_size)}, η_ef = ${number(block.eta_ef)}`;
  write($("picked"), where + (picked.seed === null ? `, ${seeds.length} seed${seeds.length === 1 ? "" : "s"}` : `, seed ${picked.seed}`));
  const withMedian = picked.seed === null && medians.some(median => own.has(median.first));
  const gap = panels.some(box => box.dataset.panel === "gap");
  $("line-words").textContent = withMedian ? "Thin lines are seeds, thick ones their median" + (gap ? ", which the gap has not" : "") : "Each line is a run" + (gap ? ", in the gap a pair" : "");
  write($("block-caption"), picked.seed === null ? block.caption : sentences.join(" "));
  $("happened").replaceChildren(...sentences.map(sentence => {
    const item = document.createElement("li");
    write(item, sentence);
    return item;
  }));
}
const same = (a, b) => Math.abs(a - b) <= 1e-6 * Math.abs(b);
const blockAt = (setting, b, rate) => blocks.findIndex(x => settingOf(x) === setting && x.batch_size === b && same(x.eta_ef, rate));
function pickFrom(datum, box) {
  if (box.dataset.panel) {
    const block = box.dataset.pair || box.dataset.branches ? runs[focusOf(box).mine[0]].block : picked.block;
    if (datum.seed !== undefined) pick(block, datum.seed);
  } else if (datum.batch_size !== undefined && datum.eta_ef !== undefined) {
    const setting = box.closest("figure").dataset.setting;
    const block = blockAt(setting === undefined ? settingOf(blocks[picked.block]) : +setting, datum.batch_size, datum.eta_ef);
    if (block >= 0) { pick(block, datum.seed ?? null); $("explorer").scrollIntoView({ behavior: "smooth", block: "nearest" }); }
  }
}
function choose() {
  const setting = +$("pick-setting").value, b = +$("pick-b").value, rate = +$("pick-rate").value, seed = $("pick-seed").value;
  pick(nearestTo(setting, b, rate), seed === "all" ? null : +seed);
}
// The block of this study, or else of another, that is nearest in b and then in the learning rate; among `within` alone.
function nearestTo(setting, b, rate, within = () => true) {
  const far = x => (settingOf(x) === setting ? 0 : 1e6) + Math.abs(Math.log(x.batch_size / b)) * 1e3 + Math.abs(Math.log(x.eta_ef / rate));
  return blocks.map((x, k) => [far(x), k]).filter(([, k]) => within(blocks[k])).sort((x, y) => x[0] - y[0])[0]?.[1] ?? -1;
}
for (const id of ["pick-setting", "pick-b", "pick-rate", "pick-seed"]) $(id).addEventListener("change", choose);

// ---- every run ----------------------------------------------------------------------------------------------------
const FIRST = 100;
const all = rowsOf(list.rows);
all.forEach(row => row.text = list.headings.map(([name]) => number(row[name] ?? null)).join(" ").toLowerCase());
const placeOf = new Map(runs.map((run, k) => [run.id, k]));
let order = { by: null, down: false }, every = false;
const choices = ["batch_size", "label", "status", "sharpening"].map(name => {
  const select = document.createElement("select"), label = document.createElement("label");
  const values = [...new Set(all.map(row => row[name]))].sort((a, b) => typeof a === "number" ? a - b : a < b ? -1 : 1);
  select.dataset.column = name;
  select.append(new Option("any", ""), ...values.map(value => new Option(String(value).replaceAll("_", " "), String(value))));
  label.append(list.headings.find(([n]) => n === name)[1] + " ", select);
  select.addEventListener("change", listRuns);
  $("choices").append(label, " ");
  return select;
});
for (const [name, heading, numeric] of list.headings) {
  const head = document.createElement("th"), button = document.createElement("button");
  head.scope = "col"; head.className = numeric ? "n" : ""; head.setAttribute("aria-sort", "none");
  button.type = "button"; write(button, heading);
  button.addEventListener("click", () => {
    order = { by: name, down: order.by === name && !order.down };
    for (const other of $("run-heads").children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    listRuns();
  });
  head.append(button);
  $("run-heads").append(head);
}
function listRuns() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(row => isShown(row) && words.every(word => row.text.includes(word))
    && choices.every(select => !select.value || String(row[select.dataset.column]) === select.value));
  if (order.by) {
    const key = row => row[order.by] ?? null, sign = order.down ? -1 : 1;
    found.sort((a, b) => key(a) === key(b) ? 0 : key(a) === null ? 1 : key(b) === null ? -1 : sign * (key(a) < key(b) ? -1 : 1));
  }
  const drawn = every ? found : found.slice(0, FIRST);
  $("run-rows").replaceChildren(...drawn.map(row => {
    const line = document.createElement("tr");
    for (const [name, , numeric] of list.headings) {
      const cell = line.insertCell();
      if (numeric) cell.className = "n";
      if (name === "run_id" && placeOf.has(row.run_id)) {
        const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: row.run_id });
        button.addEventListener("click", () => {
          const k = placeOf.get(row.run_id);
          pick(runs[k].block, runs[k].seed);
          $("explorer").scrollIntoView({ block: "nearest" });
        });
        cell.append(button);
      } else cell.textContent = name === "sharpening" ? String(row[name] ?? "–").replaceAll("_", " ") : number(row[name] ?? null);
    }
    return line;
  }));
  $("matching").textContent = `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} runs` + (drawn.length < found.length ? `, the first ${drawn.length} listed` : "");
  $("all-rows").hidden = drawn.length === found.length;
}
$("find").addEventListener("input", listRuns);
$("all-rows").addEventListener("click", () => { every = true; listRuns(); });

// ---- theme, paper ------ -----------------------------------------------------------------------------------------
function setTheme(name) {
  root.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";
  redraw(boxes);
  changed();
}
root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
$("theme").textContent = dark() ? "Light" : "Dark";
$("theme").addEventListener("click", () => setTheme(dark() ? "light" : "dark"));
// On paper everything is open, and light; the colours of charts are changed by the style, for a chart drawn anew would
// not be there in time.
let before = null;
function openForPaper() {
  before ??= { theme: root.dataset.theme, closed: [...document.querySelectorAll("details:not([open])")] };
  root.dataset.theme = "light";
  before.closed.forEach(details => details.open = true);
  return Promise.all(boxes.filter(shown).map(draw));
}
addEventListener("beforeprint", openForPaper);
addEventListener("afterprint", () => {
  if (!before) return;
  root.dataset.theme = before.theme;
  before.closed.forEach(details => details.open = false);
  before = null;
  redrawInTheme(boxes); // what was drawn for paper
});
