// The list of rows with a lane for each actor. Only what can be seen is in the page.

/** Rows that are drawn above and below what can be seen. */
const ROWS_BEYOND = 12;

/** How wide a lane is, in pixels. */
const LANE_MIN = 16;
const LANE_MAX = 92;

class Lanes {
  constructor(run, list, rows, heads, onSelect) {
    Object.assign(this, { run, list, rows, heads, shown: [], selected: -1, hits: null });
    list.addEventListener("scroll", () => this.draw(), { passive: true });
    rows.addEventListener("click", (event) => {
      const row = event.target.closest("[data-place]");
      if (row) {
        onSelect(Number(row.dataset.place));
      }
    });
    new ResizeObserver(() => this.measure()).observe(list);
    this.drawHeads();
    this.measure();
  }

  /** Shows these rows, and keeps in sight what is selected. */
  show(shown, hits) {
    const kept = this.shown[this.selected];
    this.shown = shown;
    this.hits = hits;
    this.rows.style.height = `${shown.length * this.height}px`;
    this.rows.replaceChildren();
    this.drawn = null;
    this.selected = kept ? this.placeOf(kept.index < 0 ? 0 : kept.index) : -1;
    if (this.selected >= 0) {
      this.scrollTo(this.selected);
    }
    this.draw();
  }

  /** The place of a row, or of the last one before it that is shown. */
  placeOf(index) {
    let best = 0;
    this.shown.forEach((row, place) => {
      if (row.index >= 0 && row.index <= index) {
        best = place;
      }
    });
    return best;
  }

  measure() {
    const style = getComputedStyle(this.list);
    this.height = parseFloat(style.getPropertyValue("--row")) || 26;
    const lanes = this.run.head.actors.length;
    const width = this.list.clientWidth;
    // Words need more room than lines do.
    this.gap = Math.max(LANE_MIN, Math.min(LANE_MAX, (width * (width < 600 ? 0.25 : 0.42)) / lanes));
    this.heads.style.setProperty("--lane", `${this.gap}px`);
    this.rows.style.height = `${this.shown.length * this.height}px`;
    this.drawn = null;
    this.draw();
  }

  scrollTo(place) {
    const top = place * this.height;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop + this.height || top > scrollTop + clientHeight - 2 * this.height) {
      this.list.scrollTop = top - clientHeight / 2;
    }
  }

  select(place) {
    this.selected = Math.max(0, Math.min(place, this.shown.length - 1));
    this.scrollTo(this.selected);
    this.drawn = null;
    this.draw();
    const row = this.shown[this.selected];
    this.list.setAttribute("aria-activedescendant", `row-${this.selected}`);
    this.updateHeads(row);
    return row;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / this.height) - ROWS_BEYOND);
    const count = Math.ceil(this.list.clientHeight / this.height) + 2 * ROWS_BEYOND;
    const last = Math.min(this.shown.length, first + count);
    const drawn = `${first} ${last} ${this.selected}`;
    if (drawn === this.drawn) {
      return;
    }
    this.drawn = drawn;
    let html = "";
    for (let place = first; place < last; place += 1) {
      html += this.rowHtml(this.shown[place], place);
    }
    this.rows.innerHTML = html;
  }

  rowHtml(row, place) {
    const { run } = this;
    const classes = ["row", row.kind, row.filter ?? ""];
    let text = escapeHtml(rowText(run, row));
    let who = "";
    if (row.kind === "entry" && row.filter === "step") {
      const step = run.steps[row.entry.step - 1];
      classes.push(step.verdict.replace(" ", "-"));
      text = escapeHtml(stepText(run, row));
    } else if (row.kind === "entry") {
      const actor = run.head.actors[row.lane];
      who = `<b class="${actor.kind}">${escapeHtml(actor.name)}</b> `;
      if (row.entry.event === "indicator") {
        text = `<i class="swatch" style="--light:${escapeHtml(row.entry.colour)}"></i>${text}`;
      }
    } else if (row.kind === "frame") {
      who = `<b class="proto ${row.decoded.protocol.toLowerCase()}">${row.decoded.protocol}</b> `;
      text += fateHtml(row);
    } else if (row.kind === "end") {
      classes.push(run.end.verdict);
    }
    if (place === this.selected) {
      classes.push("selected");
    }
    if (this.hits?.has(row.index)) {
      classes.push("hit");
    }
    const time = row.kind === "gap" ? "" : clock(row.at);
    const lanes = row.filter === "step" ? "" : this.lanesSvg(row);
    return `<div class="${classes.join(" ")}" id="row-${place}" role="option" aria-selected="${place === this.selected}"
      data-place="${place}" style="top:${place * this.height}px"><span class="time">${time}</span>${lanes}<span
      class="what">${who}${text}</span></div>`;
  }

  lanesSvg(row) {
    const { run, gap, height } = this;
    const width = run.head.actors.length * gap;
    const x = (lane) => (lane + 0.5) * gap;
    const middle = height / 2;
    let svg = "";
    run.head.actors.forEach((actor, lane) => {
      const device = run.devices.indexOf(lane);
      if (device < 0) {
        svg += `<path class="line" d="M${x(lane)} 0v${height}"/>`;
        return;
      }
      const [before, after] = [row.before[device], row.states[device]];
      svg += `<rect class="band s-${before}" x="${x(lane) - 4}" width="8" height="${before === after ? height : middle}"/>`;
      if (before !== after) {
        svg += `<rect class="band s-${after}" x="${x(lane) - 4}" y="${middle}" width="8" height="${height - middle}"/>`;
      }
    });
    if (row.kind === "frame") {
      svg += arrowSvg(row, x, middle);
    } else if (row.kind === "entry" && row.filter !== "step") {
      svg += `<circle class="dot ${run.head.actors[row.lane].kind}" cx="${x(row.lane)}" cy="${middle}" r="${row.filter === "story" ? 5 : 3.5}"/>`;
    }
    return `<svg class="lanes" width="${width}" height="${height}" aria-hidden="true">${svg}</svg>`;
  }

  drawHeads() {
    const heads = this.run.head.actors.map((actor, lane) => {
      const device = this.run.devices.indexOf(lane);
      const lamp = device < 0 ? "" : `<i class="lamp" data-device="${device}"></i>`;
      return `<span class="head ${actor.kind}" title="${escapeHtml(actor.name)}">${lamp}<b>${escapeHtml(actor.name)}</b></span>`;
    });
    this.heads.innerHTML = `<span class="time">s</span><span class="names">${heads.join("")}</span><span class="states"></span>`;
  }

  /** Shows above the lanes what each device's state and lamp are at this row. */
  updateHeads(row) {
    for (const lamp of this.heads.querySelectorAll(".lamp")) {
      setLamp(lamp, row.lamps[Number(lamp.dataset.device)], row.at);
    }
    const states = this.run.devices.map((lane, device) => {
      const name = this.run.devices.length > 1 ? `${escapeHtml(this.run.head.actors[lane].name)} ` : "";
      return `<span class="state">${name}<b class="s-${row.states[device]}">${row.states[device]}</b></span>`;
    });
    this.heads.querySelector(".states").innerHTML = states.join("");
  }
}

function fateHtml(row) {
  const damaged = row.receivers.filter(({ changes }) => changes.length > 0).length;
  if (row.receivers.length === 0) {
    return ` <em class="bad">nobody receives it</em>`;
  }
  if (damaged > 0) {
    return ` <em class="bad">damaged on the way</em>`;
  }
  return row.receivers.length > 1 ? ` <em>×${row.receivers.length}</em>` : "";
}

function arrowSvg(row, x, y) {
  const from = x(row.lane);
  const kind = row.decoded.protocol.toLowerCase();
  if (row.receivers.length === 0) {
    return `<g class="arrow lost"><circle cx="${from}" cy="${y}" r="3"/><path d="M${from + 6} ${y - 4}l8 8m0-8l-8 8"/></g>`;
  }
  let svg = `<circle cx="${from}" cy="${y}" r="3"/>`;
  for (const { lane, changes } of row.receivers) {
    const side = Math.sign(x(lane) - from);
    const tip = x(lane) - side * 4;
    const damaged = changes.length > 0 ? " damaged" : "";
    svg += `<path d="M${from} ${y}H${tip - side * 6}"/><path class="tip${damaged}" d="M${tip} ${y}l${-side * 7} -4v8z"/>`;
  }
  return `<g class="arrow ${kind}">${svg}</g>`;
}

