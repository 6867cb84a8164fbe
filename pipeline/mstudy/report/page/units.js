// ---- in how many of the units that the filter leaves a claim surely holds -------------------------------------------
// Bounds of all choices of units are right together, so a reader may choose after looking.
const units = $("units-data") ? data("units-data") : { claims: {}, units: { claim: [] } };
// As estimate/claims/closed_testing.py: the largest of 1 - u + #{i: h p_i <= u alpha} over u (Goeman et al. 2019).
function surelyTrue(pValues, { h, level }) {
  return largest(pValues, (p, u) => h * p <= u * level);
}
// The same by how many of a unit and of the surer ones may not hold: the largest of 1 - u + #{i: doubtful i < u}.
const surelyTrueOf = doubtful => largest(doubtful, (n, u) => n < u);
function largest(values, passes) {
  const ascending = [...values].sort((a, b) => a - b);
  let passed = 0, bound = 0;
  for (let u = 1; u <= ascending.length; u++) {
    while (passed < ascending.length && passes(ascending[passed], u)) passed++;
    bound = Math.max(bound, 1 - u + passed);
  }
  return bound;
}
// What is chosen, of the columns of a unit: [column, value, how it is told].
function chosenUnits() {
  const setting = settingOf(blocks[picked.block]);
  return [
    page.settings.length > 1 && ["setting", setting, page.settings[setting].name],
    filter.b !== null && ["batch_size", filter.b, `b = ${number(filter.b)}`],
    filter.momentum !== null && ["momentum", filter.momentum, `μ = ${number(filter.momentum)}`],
  ].filter(Boolean);
}
function boundOf(claim, choice) {
  const columns = units.units, { noun, holds, contradicts } = units.claims[claim];
  const rows = columns.claim.map((_, k) => k).filter(k => columns.claim[k] === claim && choice.every(([name, value]) => columns[name][k] === value));
  if (!rows.length) return `none of its ${noun}.`;
  const of = (name, side) => surelyTrue(rows.map(k => columns[name][k]), side);
  const contrary = of("p_contradicts", contradicts), doubtful = rows.map(k => columns.doubtful[k]);
  const sure = doubtful.includes(null) ? of("p_holds", holds) : surelyTrueOf(doubtful);
  return `in at least ${sure} of ${rows.length} ${noun}` + (contrary ? `; the contrary holds in at least ${contrary}.` : ".");
}
function tellUnits() {
  const choice = chosenUnits();
  for (const part of document.querySelectorAll("[data-units-of]")) {
    const claim = part.dataset.unitsOf;
    part.hidden = !choice.length || !(claim in units.claims);
    write(part, part.hidden ? "" : `${choice.map(([, , told]) => told).join(", ")}: ${boundOf(claim, choice)}`);
  }
}
