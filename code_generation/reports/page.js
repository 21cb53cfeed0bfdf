"use strict";
// Sorts, filters, pages and expands. Everything that a model or a data set wrote becomes a text node, never markup.

const PAGE = 50;
const LONGEST_TEXT = 20000;
const LONGEST_CODE = 60000;
const LONGEST_NAME = 200;
const LONG_WORD = /[^\s]{120}/gu;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e0fff}]/gu;

const index = JSON.parse(document.getElementById("index").textContent);
const chunks = new Map();

function chunk(number) {
  if (!chunks.has(number)) chunks.set(number, JSON.parse(document.getElementById(`chunk-${number}`).textContent));
  return chunks.get(number);
}

// ---------------------------------------------------------------------------------------------- building what is seen

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick" || name === "oninput" || name === "onchange") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, spelled(String(value)));
  }
  for (const child of children) {
    if (child instanceof Node) made.append(child);
    else if (child !== null && child !== undefined) append(made, String(child));
  }
  return made;
}

function nameOf(character) {
  const code = character.codePointAt(0);
  if (code < 32) return String.fromCharCode(0x2400 + code);
  return code === 127 ? "\u2421" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

const spelled = (text) => text.replace(HIDDEN, nameOf);

// A text in which nothing is hidden: what is without shape is spelled out.
function append(parent, text) {
  const shown = text.replaceAll("\r\n", "\n");
  let end = 0;
  for (const match of shown.matchAll(HIDDEN)) {
    if (match.index > end) appendPieces(parent, shown.slice(end, match.index));
    const mark = document.createElement("span");
    mark.className = "hidden-character";
    mark.textContent = nameOf(match[0]);
    parent.append(mark);
    end = match.index + match[0].length;
  }
  if (end < shown.length) appendPieces(parent, shown.slice(end));
}

// A word of many thousand characters is slow to break into lines, in a square of its length, unless it is told where.
function appendPieces(parent, text) {
  let end = 0;
  for (const match of text.matchAll(LONG_WORD)) {
    const cut = match.index + match[0].length;
    parent.append(text.slice(end, cut), document.createElement("wbr"));
    end = cut;
  }
  if (end < text.length) parent.append(text.slice(end));
}

// A long text shows its start, and a button for the rest.
function longText(tag, className, text) {
  const made = element(tag, { class: className });
  if (text.length <= LONGEST_TEXT) {
    append(made, text);
    return made;
  }
  append(made, text.slice(0, LONGEST_TEXT));
  const rest = text.length - LONGEST_TEXT;
  const button = element("button", { type: "button", class: "more", onclick: () => {
    button.remove();
    append(made, text.slice(LONGEST_TEXT));
  } }, `Show the other ${rest.toLocaleString("en")} characters`);
  made.append(button);
  return made;
}

function codeBlock(code) {
  if (code.length > LONGEST_CODE) return longText("pre", "code", code);
  const inner = element("code");
  for (const [kind, text] of pythonPieces(code)) {
    if (kind === "") append(inner, text);
    else inner.append(element("span", { class: kind }, text));
  }
  return element("pre", { class: "code" }, inner);
}

const block = (title, ...children) => element("div", { class: "block" }, element("h4", {}, title), ...children);
const folded = (title, ...children) => element("details", { class: "block" }, element("summary", {}, title), ...children);
const words = (name) => name.replaceAll("_", " ");
const VERDICTS = { pass: "PASS", fail: "FAIL", infra: "INFRA" };
const badge = (verdict) => element("span", { class: `badge ${verdict in VERDICTS ? verdict : ""}` }, VERDICTS[verdict] ?? "not judged");
const dollars = (value) => value === null ? "\u2014" : value === 0 ? "$0" : value >= 0.0001 ? `$${value.toFixed(4)}` : `$${value.toPrecision(2)}`;
const whole = (value) => value === null ? "\u2014" : value.toLocaleString("en");
const fixed = (value) => value === null ? "\u2014" : value.toFixed(3);

// ---------------------------------------------------------------------------------------------- the table of attempts

// a row of the index: [problem, group, sample, verdict, failure, reward, fraction, passed, tests, turns, cost, tokens, flags, chunk]
const TRIED = 1;
const PUBLIC_ONLY = 2;
const [PROBLEM, GROUP, SAMPLE, VERDICT, FAILURE, , FRACTION, PASSED, TESTS, TURNS, COST, TOKENS, FLAGS, CHUNK] = Array(14).keys();

const COLUMNS = [
  { name: "Problem", class: "c-problem", value: (r) => index.problems[r[PROBLEM]].id },
  { name: "Sample", class: "c-sample", number: true, value: (r) => r[SAMPLE] },
  { name: "Model, strategy", class: "c-model", value: (r) => index.groups[r[GROUP]] },
  { name: "Verdict", class: "c-verdict", value: (r) => r[VERDICT], show: (r) => badge(r[VERDICT]) },
  { name: "Failure", class: "c-failure", value: (r) => r[FAILURE], show: (r) => r[FAILURE] === null ? "" : words(r[FAILURE]) },
  { name: "Tests", class: "c-tests", number: true, value: (r) => r[FRACTION], show: (r) => r[PASSED] === null ? "\u2014" : `${whole(r[PASSED])} / ${whole(r[TESTS])}` },
  { name: "Turns", class: "c-turns", number: true, value: (r) => r[TURNS] },
  { name: "Tokens out", class: "c-tokens", number: true, value: (r) => r[TOKENS], show: (r) => whole(r[TOKENS]) },
  { name: "Cost", class: "c-cost", number: true, value: (r) => r[COST], show: (r) => dollars(r[COST]) },
];

const classesOf = (column) => column.number ? `${column.class} number` : column.class;

const state = { rows: index.rows.map((row, number) => [row, number]), page: 0, column: null, down: false, open: new Set() };
state.shown = state.rows;

function compareBy(value, down) {
  return ([a], [b]) => {
    const x = value(a);
    const y = value(b);
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    const order = typeof x === "number" ? x - y : COLLATOR.compare(x, y);
    return down ? -order : order;
  };
}
const COLLATOR = new Intl.Collator("en", { numeric: true });

function haystack(row) {
  const problem = index.problems[row[PROBLEM]];
  return [problem.id, index.groups[row[GROUP]], row[FAILURE] ?? "", problem.difficulty ?? "", problem.dataset, ...problem.tags, ...(problem.adversarial ? ["adversarial"] : [])].join("\n").toLowerCase();
}

function refresh() {
  const wanted = Object.fromEntries([...document.querySelectorAll("#filters [name]")].map((e) => [e.name, e.value]));
  const parts = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  state.shown = state.rows.filter(([row]) =>
    (wanted.verdict === "" || String(row[VERDICT]) === wanted.verdict) &&
    (wanted.group === "" || row[GROUP] === Number(wanted.group)) &&
    (wanted.failure === "" || row[FAILURE] === wanted.failure) &&
    (wanted.tricks === "" || (row[FLAGS] & Number(wanted.tricks)) !== 0) &&
    (parts.length === 0 || parts.every((part) => haystack(row).includes(part))));
  if (state.column !== null) state.shown.sort(compareBy(COLUMNS[state.column].value, state.down));
  state.page = 0;
  draw();
}

function draw() {
  const from = state.page * PAGE;
  const rows = state.shown.slice(from, from + PAGE);
  const total = state.shown.length;
  document.getElementById("count").textContent = total === 0 ? "No attempt matches."
    : `${(from + 1).toLocaleString("en")} to ${(from + rows.length).toLocaleString("en")} of ${total.toLocaleString("en")}${total === index.rows.length ? "" : ` (${index.rows.length.toLocaleString("en")} in all)`}`;
  const head = element("tr", {}, ...COLUMNS.map((column, number) => element("th", {
    scope: "col",
    class: classesOf(column),
    "aria-sort": state.column === number ? (state.down ? "descending" : "ascending") : null,
  }, element("button", { type: "button", class: "sort", onclick: () => sortBy(number) }, column.name))));
  const body = element("tbody");
  for (const [row, number] of rows) {
    const line = rowOf(row, number);
    body.append(line);
    if (state.open.has(number)) body.append(detailOf(row, number));
  }
  document.getElementById("table").replaceChildren(element("table", {}, element("thead", {}, head), body));
  spanColumns();
  const pager = document.getElementById("pager");
  pager.hidden = total <= PAGE;
  const pages = Math.ceil(total / PAGE);
  const turn = (by) => () => { state.page += by; draw(); document.getElementById("attempts").scrollIntoView(); };
  pager.replaceChildren(
    element("button", { type: "button", disabled: state.page === 0, onclick: turn(-1) }, "Previous"),
    element("span", {}, `Page ${state.page + 1} of ${pages}`),
    element("button", { type: "button", disabled: state.page >= pages - 1, onclick: turn(1) }, "Next"));
}

// A cell that spans more columns than are shown would make room for the others.
function spanColumns() {
  const shown = [...document.querySelectorAll("#table > table > thead th")].filter((th) => getComputedStyle(th).display !== "none").length;
  for (const cell of document.querySelectorAll(".detail > td")) cell.colSpan = shown;
}

function sortBy(number) {
  state.down = state.column === number ? !state.down : COLUMNS[number].number === true;
  state.column = number;
  refresh();
  document.querySelectorAll("#table thead .sort")[number].focus();
}

function rowOf(row, number) {
  const line = element("tr", { class: "row" });
  COLUMNS.forEach((column, place) => {
    const value = column.show ? column.show(row) : column.value(row);
    const shown = typeof value === "string" ? value.slice(0, LONGEST_NAME) : value;
    const hint = typeof shown === "string" && shown.length > 16 ? shown : null;
    const content = place > 0 ? shown : element("button", {
      type: "button", class: "open", "aria-expanded": String(state.open.has(number)), onclick: (event) => toggle(event.currentTarget, row, number),
    }, shown, element("span", { class: "narrow" }, ` \u00b7 sample ${row[SAMPLE]}`));
    line.append(element("td", { class: classesOf(column), title: hint }, content));
  });
  return line;
}

function toggle(button, row, number) {
  const line = button.closest("tr");
  const open = !state.open.has(number);
  button.setAttribute("aria-expanded", String(open));
  if (open) {
    state.open.add(number);
    line.after(detailOf(row, number));
    spanColumns();
  } else {
    state.open.delete(number);
    line.nextElementSibling.remove();
  }
}

// ---------------------------------------------------------------------------------------------- one conversation

function detailOf(row, number) {
  const held = chunk(row[CHUNK]);
  const talk = held.conversations[number];
  const tests = held.tests[talk.problem];
  const cell = element("td");
  cell.append(facts(row, talk));
  for (const trick of talk.tricks) {
    cell.append(element("p", { class: "note" }, `Turn ${trick.turn}: ${words(trick.kind)}${trick.line === null ? "" : `, line ${trick.line}`}: ${trick.what}`));
  }
  cell.append(folded("Prompt", ...held.prompts[talk.prompt].map((m) => block(m.role, longText("div", "text quote", m.content)))));
  let before = null;
  talk.turns.forEach((turn, place) => {
    cell.append(turnOf(turn, place, tests, before));
    const code = codeOf(turn);
    if (code !== null) before = [code, place + 1];
  });
  return element("tr", { class: "detail" }, cell);
}

const fact = (name, ...value) => element("span", {}, element("span", {}, `${name} `), ...value);

function facts(row, talk) {
  const problem = index.problems[row[PROBLEM]];
  const made = element("div", { class: "facts" }, badge(row[VERDICT]),
    fact("problem", problem.id), fact("model", index.groups[row[GROUP]]), fact("sample", row[SAMPLE]),
    fact("reward", fixed(row[5])), fact("weighted share of tests", fixed(row[FRACTION])), fact("verified", talk.verified ? "yes" : "no"));
  if (row[FAILURE] !== null) made.append(fact("failure", words(row[FAILURE])));
  if (talk.ended !== null) made.append(fact("ended", talk.ended));
  if (talk.harness !== null) made.append(fact("official harness", talk.harness));
  made.append(fact("cost", dollars(row[COST])), fact("tokens in, out", `${whole(talk.input_tokens)}, ${whole(row[TOKENS])}`));
  if (problem.difficulty) made.append(fact("difficulty", problem.difficulty));
  if (problem.adversarial) made.append(fact("adversarial", "yes"));
  if (problem.tags.length) made.append(fact("tags", problem.tags.join(", ")));
  return made;
}

const codeOf = (turn) => turn.code === null ? null : typeof turn.code === "string" ? turn.code : turn.answer.slice(...turn.code);

function turnOf(turn, place, tests, before) {
  const grade = turn.grade;
  const made = element("section", { class: "turn", "aria-label": `Turn ${place + 1}` });
  const failed = grade === null ? "" : firstFailure(grade, tests);
  made.append(element("header", {}, element("h3", {}, `Turn ${place + 1}`),
    grade === null ? element("span", { class: "badge" }, turn.code === null ? "no code" : "not judged") : badge(grade.verdict),
    grade === null ? null : element("span", { class: "muted" }, `${whole(grade.n_passed)} of ${whole(grade.n_tests)} tests, reward ${fixed(grade.reward)}${grade.flaky ? ", flaky" : ""}${failed}`),
    turn.finish_reason && turn.finish_reason !== "stop" ? element("span", { class: "muted" }, `ended by ${turn.finish_reason}`) : null));
  if (turn.refusal) made.append(block("Refused", longText("div", "text quote", turn.refusal)));
  if (turn.thinking) made.append(folded("Thinking", longText("div", "text quote", turn.thinking)));
  const columns = element("div", { class: "columns" }, answerOf(turn), outcomesOf(turn, grade, tests));
  made.append(columns);
  const code = codeOf(turn);
  if (code !== null && before !== null) made.append(differenceBlock(before, code));
  return made;
}

function firstFailure(grade, tests) {
  const statuses = unpacked(grade.statuses);
  const number = statuses.findIndex((s) => s !== "passed");
  if (number < 0) return "";
  const kind = publicOf(grade, tests)[number] ? "public" : "private";
  return `; first failure: ${kind} test ${number + 1}, ${words(statuses[number])}`;
}

function answerOf(turn) {
  const made = block("Answer");
  if (Array.isArray(turn.code)) {
    const [start, end] = turn.code;
    const prose = (text) => { if (text.trim() !== "") made.append(longText("div", "text", text.trim())); };
    prose(withoutFence(turn.answer.slice(0, start).trimEnd()));
    made.append(codeBlock(turn.answer.slice(start, end)));
    const after = turn.answer.slice(end).trimStart();
    prose(after.startsWith(FENCE) ? after.slice(FENCE.length) : after);
    return made;
  }
  made.append(turn.answer === "" ? element("p", { class: "muted" }, "The answer is empty.") : longText("div", "text", turn.answer));
  if (turn.code !== null) made.append(block("Code found in it", codeBlock(turn.code)));
  return made;
}

const FENCE = "```";

// The text without a last line that opens a fence.
function withoutFence(text) {
  const line = text.lastIndexOf("\n") + 1;
  return text.startsWith(FENCE, line) && text.length - line < 40 ? text.slice(0, line) : text;
}

const unpacked = (runs) => runs.flatMap(([value, count]) => Array(count).fill(value));
const publicOf = (grade, tests) => grade.public === undefined ? unpacked(tests).map((t) => t.is_public) : unpacked(grade.public);

function outcomesOf(turn, grade, tests) {
  const made = element("div");
  if (grade !== null) {
    const statuses = unpacked(grade.statuses);
    const open = publicOf(grade, tests);
    const every = unpacked(tests);
    const shown = statuses.map((status, number) => [status, number]).filter(([, number]) => String(number) in grade.shown);
    if (shown.length) made.append(block(index.show_private ? "Tests" : "Public tests", testTable(shown, every, open, grade)));
    const hidden = statuses.filter((_, number) => !open[number]);
    if (hidden.length) {
      const passed = hidden.filter((s) => s === "passed").length;
      const cells = element("div", { class: "cells", role: "img", "aria-label": `${passed} of ${hidden.length} private tests passed` },
        ...hidden.slice(0, 400).map((status) => element("i", { class: status, title: words(status) })));
      made.append(block(`Private tests: ${passed} of ${hidden.length} passed${told(hidden)}`, cells));
    }
  }
  if (turn.patch) made.append(block("Patch", element("div", { class: "text" }, patchText(turn.patch))));
  if (turn.feedback) made.append(block("Feedback to the model", longText("div", "text quote", turn.feedback)));
  return made;
}

function told(statuses) {
  const counts = new Map();
  for (const status of statuses) if (status !== "passed") counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts.size === 0 ? "" : `; ${[...counts].map(([status, n]) => `${n} ${words(status)}`).join(", ")}`;
}

function testTable(shown, every, open, grade) {
  const body = element("tbody");
  for (const [status, number] of shown) {
    const test = every[number] ?? {};
    const outcome = grade.shown[number];
    const kind = open[number] ? "" : " (private)";
    const cell = (label, text) => element("td", { "data-label": label }, text ? longText("div", "", text) : null);
    body.append(element("tr", {},
      element("td", { class: status === "passed" ? "status passed" : "status" }, `${number + 1}${kind} ${words(status)}`),
      cell("input", test.input), cell("expected", test.expected), cell("got", [outcome.got, outcome.error].filter(Boolean).join("\n"))));
  }
  const head = ["Test", "Input", "Expected", "Got"].map((name, place) => element("th", { scope: "col", style: place === 0 ? "width:19%" : null }, name));
  return element("table", { class: "tests" }, element("thead", {}, element("tr", {}, ...head)), body);
}

function patchText(patch) {
  const said = [patch.well_formed ? "well-formed" : `malformed: ${patch.fault}`];
  if (patch.applies !== null) said.push(patch.applies ? "applies" : `does not apply: ${patch.reason}`);
  if (patch.repairs.length) said.push(`repaired: ${patch.repairs.join(", ")}`);
  if (patch.files.length) said.push(`touches ${patch.files.join(", ")}`);
  if (patch.edits_tests) said.push("edits tests");
  if (patch.score !== null) said.push(`score ${fixed(patch.score)}`);
  return said.join("; ");
}

function differenceBlock([before, turn], after) {
  const title = `Difference from turn ${turn}`;
  if (before === after) return block(title, element("p", { class: "muted" }, "The code is the same."));
  const steps = before.length + after.length > 4 * LONGEST_CODE ? null : differenceOf(before, after);
  if (steps === null) return block(title, element("p", { class: "muted" }, "The codes are too long to be compared here."));
  const marks = { added: "+", removed: "-", same: " ", place: "" };
  const made = element("pre", { class: "diff" });
  for (const [kind, line] of steps) made.append(element("span", { class: kind }, `${marks[kind]}${line.slice(0, LONGEST_TEXT)}`));
  return block(title, made);
}

// ---------------------------------------------------------------------------------------------- filters, tables, theme

function select(name, label, options) {
  const made = element("select", { name, onchange: refresh }, ...options.map(([value, text]) => element("option", { value }, text)));
  return element("label", {}, label, made);
}

function setUpFilters() {
  const failures = [...new Set(index.rows.map((row) => row[FAILURE]).filter((f) => f !== null))].sort();
  const filters = document.getElementById("filters");
  filters.append(
    element("label", {}, "Problem, tag, model", element("input", { name: "text", type: "search", placeholder: "any of their words", autocomplete: "off", oninput: refresh })),
    select("verdict", "Verdict", [["", "all"], ["pass", "PASS"], ["fail", "FAIL"], ["infra", "INFRA"], ["null", "not judged"]]),
    select("group", "Model, strategy", [["", "all"], ...index.groups.map((name, number) => [String(number), name])]),
    select("failure", "Failure", [["", "all"], ...failures.map((f) => [f, words(f)])]),
    select("tricks", "Gaming", [["", "all"], [String(TRIED), "tried"], [String(PUBLIC_ONLY), "public-only"]]));
  filters.hidden = false;
}

function setUpSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, number) => {
    const name = heading.textContent;
    const sort = () => {
      const down = heading.getAttribute("aria-sort") === "ascending" || (heading.getAttribute("aria-sort") === null && heading.classList.contains("number"));
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const said = row.cells[number].dataset.value;
        if (said === "") return null;
        return heading.classList.contains("number") ? Number(said) : said;
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].map((row) => [row]).sort(compareBy(value, down)).map(([row]) => row));
    };
    heading.replaceChildren(element("button", { type: "button", class: "sort", onclick: sort }, name));
  });
}

function setUpTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  try {
    const kept = localStorage.getItem("codegen-report-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* a page from a file may have no storage */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("codegen-report-theme", root.dataset.theme); } catch { /* see above */ }
    name();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
  button.hidden = false;
}

setUpTheme();
document.querySelectorAll("table.sortable").forEach(setUpSorting);
if (index.rows.length > 0) {
  setUpFilters();
  draw();
  addEventListener("resize", spanColumns);
  addEventListener("beforeprint", spanColumns);
}
