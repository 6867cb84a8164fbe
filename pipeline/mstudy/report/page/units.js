"use strict";
{ // In how many of the chosen units does a claim surely hold? The bounds of all choices are right together.
const $ = id => document.getElementById(id);
const found = JSON.parse($("units-data").textContent);
const columns = found.units, settings = JSON.parse($("page-data").textContent).settings;
const selects = { setting: $("units-setting"), batch_size: $("units-b"), momentum: $("units-mu") };

// As estimate/claims/closed_testing.py: the largest of 1 - u + #{i: h p_i <= u alpha} over u (Goeman et al. 2019).
function surelyTrue(pValues, { h, level }) {
  const ascending = [...pValues].sort((a, b) => a - b);
  let rejected = 0, bound = 0;
  for (let u = 1; u <= ascending.length; u++) {
    while (rejected < ascending.length && h * ascending[rejected] <= u * level) rejected++;
    bound = Math.max(bound, 1 - u + rejected);
  }
  return bound;
}
const chosen = () => Object.entries(selects).filter(([, select]) => select.value !== "");
const rowsOf = (claim, choice) => columns.claim.map((_, k) => k).filter(k => columns.claim[k] === claim
  && choice.every(([name, select]) => String(columns[name][k]) === select.value));
function words(claim, choice) {
  const rows = rowsOf(claim, choice), { noun, holds, contradicts } = found.claims[claim];
  const where = choice.map(([name, select]) => ({ setting: "", batch_size: "b\u00a0=\u00a0", momentum: "μ\u00a0=\u00a0" })[name] + select.selectedOptions[0].text).join(", ");
  if (!rows.length) return `${where}: none of its ${noun}.`;
  const of = (column, side) => surelyTrue(rows.map(k => columns[column][k]), side);
  const k = of("p_holds", holds), contrary = of("p_contradicts", contradicts);
  return `${where}: in at least ${k} of ${rows.length} ${noun}` + (contrary ? `; the contrary holds in at least ${contrary}.` : ".");
}
function tell() {
  const choice = chosen();
  for (const part of document.querySelectorAll("[data-units-of]")) {
    part.hidden = choice.length === 0 || !(part.dataset.unitsOf in found.claims);
    part.textContent = part.hidden ? "" : words(part.dataset.unitsOf, choice);
  }
}
for (const [name, select] of Object.entries(selects)) {
  const values = [...new Set(columns[name])].filter(value => value !== null).sort((a, b) => a - b);
  const text = value => name === "setting" ? settings[value].name : value.toLocaleString("en", { maximumSignificantDigits: 6 });
  select.replaceChildren(new Option("all", ""), ...values.map(value => new Option(text(value), String(value))));
  select.parentElement.hidden = values.length < 2;
  select.addEventListener("change", tell);
}
$("unit-filter").hidden = Object.values(selects).every(select => select.parentElement.hidden);
}
