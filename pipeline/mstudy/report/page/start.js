// ---- start --------------------------------------------------------------------------------------------------------
tellFilter();
pick(0, null);
listRuns();
reading = false;
readAddress();
boxes.filter(shown).slice(0, 1).forEach(draw);
boxes.forEach(box => watcher.observe(box));
