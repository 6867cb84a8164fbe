// ---- start --------------------------------------------------------------------------------------------------------
tellFilter();
pick(0, null);
listRuns();
reading = false;
readAddress();
draw(boxes[0]);
boxes.forEach(box => watcher.observe(box));
