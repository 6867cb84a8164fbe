// ---- start --------------------------------------------------------------------------------------------------------
tellFilter();
pick(0, null);
listRuns();
reading = false;
readAddress();
boxes.filter(shown).slice(0, 1).forEach(draw);
boxes.forEach(box => watcher.observe(box));
// For `mstudy report --format pdf`: laid out as on paper before anything is drawn.
if (location.hash === "#?paper") {
  root.classList.add("on-paper");
  openForPaper();
}
