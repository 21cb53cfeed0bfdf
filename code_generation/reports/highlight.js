"use strict";
// Python to coloured pieces: [class, text] pairs that together are the code again. No parser: what is not known is plain.

const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from " +
  "global if import in is lambda match case nonlocal not or pass raise return try while with yield self").split(" "));

const PYTHON = new RegExp([
  "(?<c>#[^\\n]*)",
  "(?<s>\\b[rRbBfFuU]{0,2}(?:\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$))|\\b[rRbBfFuU]{1,2}(?=[\"'])(?:\"(?:[^\"\\\\\\n]|\\\\[^])*\"?|'(?:[^'\\\\\\n]|\\\\[^])*'?)" +
    "|\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$)|\"(?:[^\"\\\\\\n]|\\\\[^])*\"?|'(?:[^'\\\\\\n]|\\\\[^])*'?)",
  "(?<n>\\b(?:0[xXoObB][\\da-fA-F_]+|\\d[\\d_]*(?:\\.[\\d_]*)?(?:[eE][+-]?\\d+)?[jJ]?)\\b|\\.\\d+\\b)",
  "(?<w>[A-Za-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)",
].join("|"), "g");

function pythonPieces(code) {
  const pieces = [];
  let end = 0;
  let previous = "";
  for (const match of code.matchAll(PYTHON)) {
    if (match.index > end) pieces.push(["", code.slice(end, match.index)]);
    const { c, s, n, w } = match.groups;
    const kind = c !== undefined ? "c" : s !== undefined ? "s" : n !== undefined ? "n"
      : KEYWORDS.has(w) ? "k" : previous === "def" || previous === "class" ? "d" : "";
    pieces.push([kind, match[0]]);
    previous = w === undefined ? "" : w;
    end = match.index + match[0].length;
  }
  if (end < code.length) pieces.push(["", code.slice(end)]);
  return pieces;
}
