// Puts the page together: what is shown, what is chosen, search and keys.

const $ = (id) => document.getElementById(id);
const run = loadRun();
const filters = new Set(FILTERS.filter(([, , , isOn]) => isOn).map(([, name]) => name));
let hits = null;

const lanes = new Lanes(run, $("list"), $("rows"), $("heads"), (place) => choose(place));
const inspector = new Inspector(run, $("inspector"), (index) => reveal(index));
const overview = new Overview(run, $("overview"), (time) => {
  const place = lowerBound(lanes.shown.map((row) => row.at), time);
  choose(Math.min(place, lanes.shown.length - 1), false);
});

/** Chooses a row by its place in the list. */
function choose(place, opens = true) {
  if (lanes.shown.length === 0) {
    return;
  }
  const row = lanes.select(place);
  inspector.show(row);
  overview.moveTo(row.at);
  markStep(row.step);
  if (opens) {
    $("inspector").classList.add("open");
  }
}

/** Chooses a row by its number in the run, and shows its kind if that is hidden. */
function reveal(index) {
  const row = run.rows[index];
  if (row.filter !== "step" && !filters.has(row.filter) && !hits?.has(index)) {
    filters.add(row.filter);
    refresh();
  }
  if (inspector.tab !== "event" && row.filter !== "console") {
    inspector.open("event");
  }
  choose(lanes.placeOf(index));
}

function refresh() {
  lanes.show(shownRows(run, filters, hits), hits);
  document.querySelectorAll("[data-filter]").forEach((button) => {
    button.setAttribute("aria-pressed", String(filters.has(button.dataset.filter)));
  });
}

function toggle(name) {
  if (!filters.delete(name)) {
    filters.add(name);
  }
  refresh();
}

function search(text) {
  const wanted = text.trim().toLowerCase();
  const found = wanted === "" ? null : run.rows.filter((row) => searchText(run, row).includes(wanted));
  hits = found && new Set(found.map((row) => row.index));
  $("hits").textContent = found ? `${found.length} found` : "";
  refresh();
  if (found && found.length > 0) {
    nextHit(1, true);
  }
}

/** Goes to the next thing that was found, or to the one before; `stays` when the chosen row is one. */
function nextHit(way, stays = false) {
  if (!hits || hits.size === 0) {
    return;
  }
  const { shown } = lanes;
  const start = Math.max(0, lanes.selected);
  for (let step = stays ? 0 : 1; step <= shown.length; step += 1) {
    const place = (start + way * step + shown.length) % shown.length;
    if (hits.has(shown[place].index)) {
      choose(place);
      return;
    }
  }
}

function goToStep(way) {
  const current = run.rows[lanes.shown[lanes.selected]?.index ?? 0]?.step ?? 0;
  const step = run.steps[Math.max(0, Math.min(run.steps.length, current + way) - 1)];
  if (step && step.from >= 0) {
    reveal(step.from);
  }
}

/** Goes to where a run has failed: the end of the step, with the packets around it. */
function goToFault() {
  const { fault } = run.end;
  if (!fault) {
    return;
  }
  filters.add("packet");
  refresh();
  inspector.open("event");
  const step = run.steps[fault.step - 1];
  if (!step) {
    reveal(run.rows.length - 1);
    return;
  }
  lanes.list.scrollTop = lanes.placeOf(step.to) * lanes.height - lanes.list.clientHeight / 2;
  reveal(step.from);
  // What led to it is at the end of the step, which may be far from its beginning.
  lanes.list.scrollTop = (lanes.placeOf(step.to) + 4) * lanes.height - lanes.list.clientHeight;
}

function markStep(number) {
  $("steps").querySelectorAll("li").forEach((item, index) => {
    const isCurrent = index + 1 === number;
    item.classList.toggle("current", isCurrent);
    if (isCurrent && !$("steps").closest("nav").matches(":hover")) {
      const nav = item.closest("nav");
      const top = item.offsetTop - nav.offsetTop;
      if (top < nav.scrollTop || top + item.offsetHeight > nav.scrollTop + nav.clientHeight) {
        nav.scrollTop = top - nav.clientHeight / 2;
      }
    }
  });
}

const KEYS = [
  [["ArrowDown", "j"], "↓ j", "next row", () => choose(lanes.selected + 1)],
  [["ArrowUp", "k"], "↑ k", "row before", () => choose(lanes.selected - 1)],
  [["PageDown"], "Page ↓", "twenty rows on", () => choose(lanes.selected + 20)],
  [["PageUp"], "Page ↑", "twenty rows back", () => choose(lanes.selected - 20)],
  [["Home"], "Home", "the beginning", () => choose(0)],
  [["End"], "End", "what became of it", () => choose(lanes.shown.length - 1)],
  [["]"], "]", "next step", () => goToStep(1)],
  [["["], "[", "step before", () => goToStep(-1)],
  [["f"], "f", "where it failed", goToFault],
  [["/"], "/", "search", () => $("search").focus()],
  [["n"], "n", "next that was found", () => nextHit(1)],
  [["N"], "N", "the one before", () => nextHit(-1)],
  ...FILTERS.map(([key, name, words]) => [[key], key, `${words} shown or hidden`, () => toggle(name)]),
  [["e"], "e", "event", () => inspector.open("event")],
  [["c"], "c", "console", () => inspector.open("console")],
  [["m"], "m", "flash memory", () => inspector.open("flash")],
  [["t"], "t", "light or dark", changeTheme],
  [["?"], "?", "these keys", () => $("help").showModal()],
  [["Escape"], "Esc", "search and details away", leave],
];

function leave() {
  $("search").value = "";
  $("inspector").classList.remove("open");
  if (hits) {
    search("");
  }
  $("list").focus();
}

function changeTheme() {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
}

function onKey(event) {
  const isTyping = event.target === $("search");
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) {
    return;
  }
  if (isTyping && event.key === "Enter") {
    nextHit(event.shiftKey ? -1 : 1);
    event.preventDefault();
    return;
  }
  if (isTyping && !["Escape", "ArrowDown", "ArrowUp"].includes(event.key)) {
    return;
  }
  const known = KEYS.find(([keys]) => keys.includes(event.key));
  if (known) {
    known[3]();
    event.preventDefault();
  }
}

/** Goes where the address says: `#at=SECONDS`, `#find=WORDS`, or both. */
function followAddress() {
  const { at, find } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (find) {
    $("search").value = find;
    search(find);
  }
  if (at) {
    choose(lowerBound(lanes.shown.map((row) => row.at), Math.round(Number(at) * 1e6)));
  }
}

function fillTop() {
  const { head, end, steps } = run;
  $("verdict").textContent = end.verdict;
  $("verdict").classList.add(end.verdict);
  $("title").textContent = head.title;
  $("why").textContent = head.why;
  const facts = [["target", head.target], ["seed", head.seed], ["device life", spoken(end.end_us)], ["frames", end.frames]];
  $("facts").innerHTML = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(String(value))}</dd></div>`).join("");
  $("replay").textContent = head.replay;
  document.documentElement.style.setProperty("--time", `${Math.max(9, clock(end.end_us).length + 2)}ch`);
  if (end.fault) {
    const step = steps[end.fault.step - 1];
    $("fault").hidden = false;
    $("fault-show").textContent = step ? `Step ${step.number} (line ${step.line}) failed` : "The run failed";
    $("fault-expected").textContent = end.fault.expected || "every story as it was, every invariant kept";
    $("fault-why").textContent = end.fault.why;
  }
  $("steps").innerHTML = steps.map((step) => {
    const when = step.from < 0 ? "" : `<span class="time">${shortClock(run.rows[step.from].at)}</span>`;
    return `<li class="${step.verdict.replace(" ", "-")}"><button type="button" data-step="${step.number}" ${step.from < 0 ? "disabled" : ""}>
      <span class="mark" title="${step.verdict}"></span><span>${escapeHtml(step.text)}</span>${when}</button></li>`;
  }).join("");
  $("filters").innerHTML = FILTERS.map(([key, name, words]) => {
    const count = run.rows.filter((row) => row.filter === name).length;
    return `<button type="button" data-filter="${name}" title="${words} shown or hidden (${key})">${words} <small>${count}</small></button>`;
  }).join("");
  $("keys").innerHTML = KEYS.map(([, shown, words]) => `<div><dt><kbd>${shown}</kbd></dt><dd>${words}</dd></div>`).join("");
}

function listen() {
  $("steps").addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (button) {
      const step = run.steps[Number(button.dataset.step) - 1];
      if (step.verdict === "failed") {
        goToFault();
      } else {
        reveal(step.from);
      }
    }
  });
  $("filters").addEventListener("click", (event) => {
    const button = event.target.closest("[data-filter]");
    if (button) {
      toggle(button.dataset.filter);
    }
  });
  $("search").addEventListener("input", (event) => search(event.target.value));
  $("fault-show").addEventListener("click", goToFault);
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText(run.head.replay));
  $("theme").addEventListener("click", changeTheme);
  $("help-button").addEventListener("click", () => $("help").showModal());
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", followAddress);
}

fillTop();
listen();
refresh();
choose(0, false);
if (run.end.fault) {
  goToFault();
  $("inspector").classList.remove("open");
}
followAddress();
requestAnimationFrame(animateLamps);
