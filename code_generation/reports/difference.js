"use strict";
// What changed between two texts, line by line: ["removed" | "added" | "same" | "place", line] pairs, three lines around
// each change; null where the texts are too long to be compared in no time.

const AROUND = 3;
const MOST_CELLS = 4e6;

function differenceOf(before, after) {
  const a = before.split("\n");
  const b = after.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const steps = changes(a.slice(start, a.length - tail), b.slice(start, b.length - tail));
  if (steps === null) return null;
  const every = [
    ...a.slice(0, start).map((line) => ["same", line]),
    ...steps,
    ...a.slice(a.length - tail).map((line) => ["same", line]),
  ];
  return tail === 0 ? withPlaces(every.slice(0, start + steps.length)) : withPlaces(every);
}

// By the longest common subsequence: table[i][j] is how long it is from line i of a and line j of b on.
function changes(a, b) {
  const width = b.length + 1;
  if ((a.length + 1) * width > MOST_CELLS) return null;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const here = i * width + j;
      table[here] = a[i] === b[j] ? table[here + width + 1] + 1 : Math.max(table[here + width], table[here + 1]);
    }
  }
  const steps = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      steps.push(["same", a[i]]);
      i++;
      j++;
    } else if (i < a.length && (j === b.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      steps.push(["removed", a[i++]]);
    } else {
      steps.push(["added", b[j++]]);
    }
  }
  return steps;
}

function withPlaces(steps) {
  const near = steps.map(() => false);
  steps.forEach(([kind], place) => {
    if (kind === "same") return;
    for (let k = Math.max(0, place - AROUND); k <= Math.min(steps.length - 1, place + AROUND); k++) near[k] = true;
  });
  const shown = [];
  let lineA = 1;
  let lineB = 1;
  steps.forEach(([kind, line], place) => {
    if (near[place]) {
      if (place === 0 || !near[place - 1]) shown.push(["place", `@@ -${lineA} +${lineB} @@`]);
      shown.push([kind, line]);
    }
    if (kind !== "added") lineA++;
    if (kind !== "removed") lineB++;
  });
  return shown;
}
