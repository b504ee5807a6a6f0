// The run as rows by time: entries of the trace, frames, and what is between them. Nothing here touches the page.

const OFF = "OFF";
/** A longer time without a row is pointed out, in microseconds. */
const GAP_MIN_US = 2_000_000;
/** What of a run can be shown or hidden, by key, name, and whether it is shown at first. */
const FILTERS = [
  ["1", "story", "Story", true],
  ["2", "detail", "Details", false],
  ["3", "console", "Console", false],
  ["4", "packet", "Packets", true],
  ["5", "segment", "TCP, ARP", false],
];

function textOf(id) {
  return document.getElementById(id).textContent;
}

function loadRun() {
  const lines = textOf("trace").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const head = lines.shift();
  const end = lines.pop();
  const { frames, left_out: leftOut } = JSON.parse(textOf("frames"));
  const lanes = new Map(head.actors.map((actor, lane) => [actor.name, lane]));
  const devices = head.actors.map((actor, lane) => (actor.kind === "device" ? lane : -1)).filter((lane) => lane >= 0);
  const run = { head, end, leftOut, lanes, devices, flash: JSON.parse(textOf("flash")), rows: [], steps: [] };
  for (const entry of lines) {
    run.rows.push({ kind: "entry", filter: entry.level, at: entry.at_us, lane: lanes.get(entry.actor) ?? 0, entry });
  }
  for (const frame of frames) {
    run.rows.push(frameRow(frame));
  }
  if (leftOut) {
    run.rows.push({ kind: "out", filter: "step", at: leftOut[0] + 1, until: leftOut[1] });
  }
  // What a device says it does comes before the frame in which it does it; entries of one time keep their order.
  run.rows.sort((a, b) => a.at - b.at || (a.kind === "frame") - (b.kind === "frame"));
  run.rows.push({ kind: "end", filter: "step", at: Math.max(end.end_us, run.rows.at(-1)?.at ?? 0) });
  follow(run);
  return run;
}

function frameRow([at, lane, port, step, base64, received]) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const decoded = decodeFrame(bytes);
  const receivers = received.map(([to, when, ...changes]) => ({ lane: to, at: when, changes }));
  return {
    kind: "frame", filter: decoded.isNoise ? "segment" : "packet", at, lane, port, sentIn: step, bytes, decoded, receivers,
  };
}

/** Gives each row what is so while it happens: the states and lamps of the devices, and the step. */
function follow(run) {
  const { head, end, rows, devices } = run;
  const fault = end.fault;
  run.steps = head.steps.map((step, index) => ({
    ...step, number: index + 1, from: -1, to: -1,
    verdict: fault && fault.step === index + 1 ? "failed" : "not reached",
  }));
  let states = devices.map(() => OFF);
  let lamps = devices.map(() => null);
  let step = 0;
  rows.forEach((row, index) => {
    row.index = index;
    row.before = states;
    if (row.kind === "entry") {
      const device = devices.indexOf(row.lane);
      const state = device < 0 ? null : stateAfter(row.entry);
      if (state && states[device] !== state) {
        states = states.with(device, state);
      }
      if (device >= 0 && (row.entry.event === "indicator" || state === OFF)) {
        lamps = lamps.with(device, state === OFF ? null : row);
      }
      if (row.entry.event === "step.begins") {
        step = row.entry.step;
        run.steps[step - 1].from = index;
      }
    }
    Object.assign(row, { states, lamps, step });
    if (step > 0) {
      run.steps[step - 1].to = index;
    }
  });
  for (const step of run.steps) {
    if (step.from >= 0 && step.verdict !== "failed") {
      step.verdict = step.may_fail ? "may fail" : "passed";
    }
  }
}

/** The state in which an event leaves its device, if it says. */
function stateAfter({ event, to }) {
  switch (event) {
    case "device.state":
      return to;
    case "device.booted":
      return "INIT";
    case "power.off":
    case "power.cut":
    case "power.brownout":
    case "power.watchdog":
    case "device.rebooting":
      return OFF;
    default:
      return null;
  }
}

/** What of the rows is shown: those that the filters let through and those that the search has found, with gaps between. */
function shownRows(run, filters, hits) {
  const shown = [];
  let last = 0;
  for (const row of run.rows) {
    if (row.filter !== "step" && !filters.has(row.filter) && !hits?.has(row.index)) {
      continue;
    }
    if (row.at - last >= GAP_MIN_US && row.kind !== "out") {
      const { at, before, lamps, step } = row;
      shown.push({ kind: "gap", index: -1, at, passed: at - last, before, states: before, lamps, step });
    }
    last = row.kind === "out" ? row.until : row.at;
    shown.push(row);
  }
  return shown;
}

/** What a row says, for the list and for the search. */
function rowText(run, row) {
  switch (row.kind) {
    case "entry":
      return row.entry.text;
    case "frame":
      return row.decoded.summary;
    case "end":
      return run.end.fault ? `failed: ${run.end.fault.why}` : `passed after ${spoken(run.end.end_us)}`;
    case "out":
      return `what happened in the next ${spoken(row.until - row.at)} is left out of this page; the capture and the trace file have it`;
    default:
      return `${spoken(row.passed)} later`;
  }
}

/** Everything of a row that a search looks at, in lower case. */
function searchText(run, row) {
  if (row.search === undefined) {
    const parts = [rowText(run, row), row.lane === undefined ? "" : run.head.actors[row.lane].name];
    if (row.kind === "entry") {
      parts.push(row.entry.event);
    }
    if (row.kind === "frame") {
      parts.push(row.decoded.protocol);
      for (const layer of row.decoded.layers) {
        parts.push(layer.name, ...layer.fields.map(([label, value]) => `${label} ${value}`));
      }
    }
    row.search = parts.join("\n").toLowerCase();
  }
  return row.search;
}

/** A step in words, for its row. */
function stepText(run, row) {
  const step = run.steps[row.entry.step - 1];
  const happens = row.entry.event === "step.happens" ? ` happens` : "";
  return `step ${step.number}${happens}: ${step.text}`;
}
