// ---- the address says what is shown: #anchor?study=…&b=…&eta_ef=…&seed=…&only_b=…&momentum=…&theme=… --------------
let anchor = "", touched = false, reading = true; // the address stays as it came until something is changed
function stateNow() {
  const block = blocks[picked.block], state = new URLSearchParams();
  if (page.settings.length > 1) state.set("study", page.settings[settingOf(block)].name);
  state.set("b", block.batch_size);
  state.set("eta_ef", block.eta_ef);
  if (picked.seed !== null) state.set("seed", picked.seed);
  if (filter.b !== null) state.set("only_b", filter.b);
  if (filter.momentum !== null) state.set("momentum", filter.momentum);
  state.set("theme", root.dataset.theme);
  return state;
}
const linkTo = place => `${location.href.split("#")[0]}#${place}?${stateNow()}`;
function changed() {
  if (reading) return;
  touched = true;
  history.replaceState(null, "", linkTo(anchor));
}
// Shows what an address asks for, and says what of it this page does not have.
function readAddress() {
  const [place, asked] = location.hash.slice(1).split("?");
  anchor = place;
  if (asked === undefined) {
    if (touched) history.replaceState(null, "", linkTo(anchor));
    return;
  }
  reading = true;
  const state = new URLSearchParams(asked), missing = [];
  const read = (name, known) => {
    if (!state.has(name)) return null;
    const value = name === "study" || name === "theme" ? state.get(name) : +state.get(name);
    if (known(value)) return value;
    missing.push(`${name} = ${state.get(name)}`);
    return null;
  };
  const theme = read("theme", value => ["light", "dark"].includes(value));
  const b = read("only_b", value => batchSizes.includes(value)), momentum = read("momentum", value => momenta.includes(value));
  if (theme !== null && theme !== root.dataset.theme) setTheme(theme);
  setFilter({ b, momentum });
  const study = read("study", value => page.settings.some(setting => setting.name === value));
  const setting = study === null ? settingOf(blocks[picked.block]) : page.settings.findIndex(s => s.name === study);
  const block = blockAt(setting, +state.get("b"), +state.get("eta_ef"));
  const seed = state.has("seed") ? +state.get("seed") : null;
  if (block >= 0) pick(block, seed);
  else if (state.has("b")) missing.push(`b = ${state.get("b")}, η_ef = ${state.get("eta_ef")}`);
  if (block >= 0 && seed !== picked.seed) missing.push(`seed ${state.get("seed")}`);
  write($("not-here"), missing.length ? `The link asks for ${missing.join(", ")}, which this page does not have.` : "");
  $("not-here").hidden = !missing.length;
  reading = false;
  touched = true;
  document.getElementById(anchor)?.scrollIntoView();
}
addEventListener("hashchange", readAddress);

