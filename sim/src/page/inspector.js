// What is known of one row, the console, and the flash.

/** Packets that are listed around a step that failed. */
const PACKETS_BEFORE = 12;
/** Bytes in a line of a hex view: as many as fit into a narrow panel. */
const HEX_LINE = 8;

class Inspector {
  constructor(run, element, onRow) {
    Object.assign(this, { run, element, onRow, tab: "event", row: null });
    this.panel = element.querySelector("#panel");
    element.querySelectorAll("[data-tab]").forEach((button) => {
      button.addEventListener("click", () => this.open(button.dataset.tab));
    });
    this.panel.addEventListener("click", (event) => {
      const link = event.target.closest("[data-index]");
      if (link) {
        onRow(Number(link.dataset.index));
      }
    });
    this.panel.addEventListener("pointerover", (event) => this.highlight(event.target.closest("[data-from]")));
    element.querySelector("#close").addEventListener("click", () => element.classList.remove("open"));
    this.open("event");
  }

  open(tab) {
    this.tab = tab;
    this.element.querySelectorAll("[data-tab]").forEach((button) => {
      button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    });
    this.draw();
  }

  show(row) {
    this.row = row;
    if (this.tab !== "flash") {
      this.draw();
    }
  }

  draw() {
    const html = { event: () => this.eventHtml(), console: () => this.consoleHtml(), flash: () => this.flashHtml() };
    this.panel.innerHTML = html[this.tab]();
    this.panel.scrollTop = 0;
    const here = this.panel.querySelector(".here");
    here?.scrollIntoView({ block: "center" });
    for (const lamp of this.panel.querySelectorAll(".lamp")) {
      setLamp(lamp, this.row, this.row.at);
    }
  }

  /** Marks the bytes that a field was read from. */
  highlight(field) {
    for (const byte of this.panel.querySelectorAll(".hex i.on")) {
      byte.classList.remove("on");
    }
    if (field) {
      const bytes = this.panel.querySelectorAll(".hex i");
      for (let at = Number(field.dataset.from); at < Number(field.dataset.to) && at < bytes.length; at += 1) {
        bytes[at].classList.add("on");
      }
    }
  }

  eventHtml() {
    const { run, row } = this;
    if (!row) {
      return `<p class="quiet">Choose a row: its fields stand here.</p>`;
    }
    if (row.kind === "frame") {
      return this.frameHtml(row);
    }
    if (row.kind === "end") {
      return this.endHtml();
    }
    if (row.kind !== "entry") {
      return `<h3>${escapeHtml(rowText(run, row))}</h3>`;
    }
    if (row.filter === "step") {
      return this.stepHtml(run.steps[row.entry.step - 1]);
    }
    const { at_us: at, actor, event, text, level, ...fields } = row.entry;
    const lamp = event === "indicator" ? `<p class="big"><i class="lamp"></i> ${escapeHtml(lampWords(row.entry))}</p>` : "";
    const rows = [["event", event], ["actor", actor], ["time", `${clock(at)} s`], ...Object.entries(fields)];
    const state = run.devices.indexOf(row.lane);
    if (state >= 0) {
      rows.push(["state", row.states[state]]);
    }
    return `<h3>${escapeHtml(text)}</h3>${lamp}${fieldsHtml(rows)}${this.stepLink(row)}`;
  }

  stepLink(row) {
    const step = this.run.steps[row.step - 1];
    return step
      ? `<h4>During</h4><p><button type="button" class="link" data-index="${step.from}">step ${step.number}: ${escapeHtml(step.text)}</button></p>`
      : "";
  }

  frameHtml(row) {
    const { head } = this.run;
    const name = (lane) => escapeHtml(head.actors[lane].name);
    const seen = row.receivers.map(({ lane, at, changes }) => {
      const damage = changes.length > 0 ? `, ${changes.length} bytes damaged` : "";
      return [`received by ${head.actors[lane].name}`, `${clock(at)} s, after ${spoken(at - row.at)}${damage}`];
    });
    const fate = seen.length > 0 ? seen : [["received by", "nobody"]];
    const layers = row.decoded.layers.map(({ name: title, fields }, index) => {
      const open = index >= 2 || row.decoded.layers.length <= 2 ? " open" : "";
      const rows = fields.map(
        ([label, value, from, to]) => `<tr data-from="${from}" data-to="${to}"><th>${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`,
      );
      return `<details${open}><summary>${escapeHtml(title)}</summary><table>${rows.join("")}</table></details>`;
    });
    const to = row.receivers.map(({ lane }) => name(lane)).join(", ") || "nobody";
    return `<h3><b class="proto ${row.decoded.protocol.toLowerCase()}">${row.decoded.protocol}</b> ${escapeHtml(row.decoded.summary)}</h3>
      <p class="quiet">${name(row.lane)} → ${to}, ${row.port === 0 ? "over the air" : "on the wire"}, ${row.bytes.length} bytes</p>
      ${fieldsHtml([["sent", `${clock(row.at)} s`], ...fate])}${layers.join("")}
      <details open><summary>Bytes</summary>${hexHtml(row.bytes)}</details>${this.stepLink(row)}`;
  }

  stepHtml(step) {
    const { run } = this;
    const verdict = `<b class="verdict ${step.verdict.replace(" ", "-")}">${step.verdict}</b>`;
    const rows = [["line", step.line]];
    if (step.from >= 0) {
      rows.push(["from", `${clock(run.rows[step.from].at)} s`], ["until", `${clock(run.rows[step.to].at)} s`]);
    }
    const fault = step.verdict === "failed" ? this.faultHtml() : "";
    return `<h3>Step ${step.number} ${verdict}</h3><p>${escapeHtml(step.text)}</p>${fieldsHtml(rows)}${fault}${this.packetsHtml(step)}`;
  }

  endHtml() {
    const { end } = this.run;
    const step = end.fault && this.run.steps[end.fault.step - 1];
    const rows = [["virtual time", spoken(end.end_us)], ["frames", end.frames], ["digest of all frames", end.frames_digest]];
    return `<h3>The run <b class="verdict ${end.verdict}">${end.verdict}</b></h3>${end.fault ? this.faultHtml() : ""}${fieldsHtml(rows)}${
      step ? this.packetsHtml(step) : ""
    }`;
  }

  faultHtml() {
    const { step, expected, why, invariant } = this.run.end.fault;
    const rows = [["step", step || "the run as a whole"], ["expected", expected], ["but", why]];
    if (invariant) {
      rows.push(["invariant", invariant]);
    }
    return fieldsHtml(rows.filter(([, value]) => value !== ""));
  }

  /** The packets around the end of a step. */
  packetsHtml(step) {
    const { run } = this;
    if (step.to < 0) {
      return "";
    }
    const before = run.rows.slice(0, step.to + 1).filter((row) => row.kind === "frame").slice(-PACKETS_BEFORE);
    if (before.length === 0) {
      return `<h4>Packets around it</h4><p class="quiet">none</p>`;
    }
    const items = before.map(
      (row) => `<li><button type="button" class="link" data-index="${row.index}"><span class="time">${clock(row.at)}</span>
        <b class="proto ${row.decoded.protocol.toLowerCase()}">${row.decoded.protocol}</b> ${escapeHtml(row.decoded.summary)}${fateHtml(row)}</button></li>`,
    );
    return `<h4>Packets around it</h4><ul class="packets">${items.join("")}</ul>`;
  }

  consoleHtml() {
    const { run, row } = this;
    const lines = run.rows.filter((other) => other.kind === "entry" && other.filter === "console");
    if (lines.length === 0) {
      return `<p class="quiet">No device printed anything.</p>`;
    }
    const here = row ? lines.filter((line) => line.index <= row.index).at(-1) : null;
    const several = run.devices.length > 1;
    const items = lines.map((line) => {
      const name = several ? `<b class="device">${escapeHtml(line.entry.actor)}</b> ` : "";
      return `<button type="button" data-index="${line.index}"${line === here ? ' class="here"' : ""}><span class="time">${clock(line.at)}</span>
        <span>${name}${escapeHtml(line.entry.line)}</span></button>`;
    });
    return `<div class="console">${items.join("")}</div>`;
  }

  flashHtml() {
    const { run } = this;
    if (run.flash.length === 0) {
      return `<p class="quiet">What flash holds is known of a run that was recorded.</p>`;
    }
    return run.flash.map(({ device, slots }) => {
      const name = escapeHtml(run.head.actors[run.devices[device]]?.name ?? "device");
      const shown = slots.map(({ state, fields, bytes, others }, index) => {
        const used = /^(ff)*$/.test(bytes) ? "" : flashHex(bytes);
        const more = others > 0 ? `<p class="quiet">${others} more bytes of the sector are not erased</p>` : "";
        return `<section class="slot"><h4>Slot ${index + 1} <b class="fate">${escapeHtml(state)}</b></h4>${fieldsHtml(fields)}${
          used && `<details><summary>Bytes</summary>${used}</details>`
        }${more}</section>`;
      });
      return `<h3>${name}, when the run was over</h3>${shown.join("")}`;
    }).join("") + `<p class="quiet">Passwords and tokens are starred. What was written when: rows of <code>flash</code> among the details.</p>`;
  }
}

function hexHtml(bytes) {
  return hexLines(Array.from(bytes, (byte) => hex(byte, 2)));
}

/** The bytes of flash without the lines in which all are erased. */
function flashHex(text) {
  return hexLines(text.match(/../g));
}

function hexLines(bytes) {
  let html = "";
  let skipped = false;
  for (let at = 0; at < bytes.length; at += HEX_LINE) {
    const line = bytes.slice(at, at + HEX_LINE);
    if (bytes.length > 256 && line.every((byte) => byte === "ff")) {
      skipped = true;
      html += line.map(() => "<i hidden></i>").join("");
      continue;
    }
    if (skipped) {
      html += `<span class="quiet">   ⋯ erased\n</span>`;
      skipped = false;
    }
    const text = line.map((byte) => {
      const code = parseInt(byte, 16);
      return byte === "**" ? "*" : code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : "·";
    });
    html += `<span class="quiet">${hex(at, 4)}</span>  ${line.map((byte) => `<i>${byte}</i>`).join(" ")}${"   ".repeat(HEX_LINE - line.length)}  ${escapeHtml(text.join(""))}\n`;
  }
  return `<pre class="hex">${html}</pre>`;
}

