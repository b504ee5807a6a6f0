// The whole run in one strip. Idle times are compressed, so that a second of setup is not lost in a night of waiting.

/** Up to this long, a time without events is drawn as it is; what is longer grows with its logarithm. */
const TRUE_TO_SCALE_US = 500_000;
/** A longer idle time is marked. */
const IDLE_MARKED_US = 10_000_000;
const MARKS = 6;

class Overview {
  constructor(run, element, onTime) {
    Object.assign(this, { run, element });
    this.scale();
    element.addEventListener("pointerdown", (event) => {
      const follow = (moved) => {
        const { left, width } = this.strip.getBoundingClientRect();
        onTime(this.timeAt(Math.max(0, Math.min(1, (moved.clientX - left) / width))));
      };
      follow(event);
      const end = new AbortController();
      window.addEventListener("pointermove", follow, { signal: end.signal });
      for (const name of ["pointerup", "pointercancel"]) {
        window.addEventListener(name, () => end.abort(), { signal: end.signal });
      }
    });
    this.draw();
  }

  /** The times at which something happens, and how far along the strip each is, 0 to 1. */
  scale() {
    this.times = [0];
    this.places = [0];
    for (const { at, filter } of this.run.rows) {
      const last = this.times.at(-1);
      // Of a night in which a device asks each minute, what it asks is not worth more room than what is told.
      if (at <= last || filter === "detail" || filter === "console") {
        continue;
      }
      const passed = at - last;
      const drawn = passed <= TRUE_TO_SCALE_US ? passed : TRUE_TO_SCALE_US * (1 + Math.log(passed / TRUE_TO_SCALE_US));
      this.times.push(at);
      this.places.push(this.places.at(-1) + drawn);
    }
    const whole = this.places.at(-1) || 1;
    this.places = this.places.map((place) => place / whole);
  }

  placeAt(time) {
    const next = lowerBound(this.times, time);
    if (next >= this.times.length) {
      return 1;
    }
    if (next === 0 || this.times[next] === time) {
      return this.places[next];
    }
    const part = (time - this.times[next - 1]) / (this.times[next] - this.times[next - 1]);
    return this.places[next - 1] + part * (this.places[next] - this.places[next - 1]);
  }

  timeAt(place) {
    const next = Math.min(lowerBound(this.places, place), this.places.length - 1);
    if (next === 0) {
      return this.times[0];
    }
    const part = (place - this.places[next - 1]) / (this.places[next] - this.places[next - 1] || 1);
    return this.times[next - 1] + part * (this.times[next] - this.times[next - 1]);
  }

  draw() {
    const { run } = this;
    const percent = (time) => `${(this.placeAt(time) * 100).toFixed(3)}%`;
    const bands = run.devices.map((lane, device) => {
      const name = escapeHtml(run.head.actors[lane].name);
      return `<div class="band-row"><span class="label">${name}</span>${this.bandHtml(device)}</div>`;
    });
    const steps = run.steps.filter((step) => step.from >= 0).map((step) => {
      const at = percent(run.rows[step.from].at);
      return `<i class="tick ${step.verdict.replace(" ", "-")}" style="left:${at}" title="step ${step.number}: ${escapeHtml(step.text)}"></i>`;
    });
    const idle = this.times.slice(1).map((time, index) => [this.times[index], time])
      .filter(([from, to]) => to - from >= IDLE_MARKED_US)
      .map(([from, to]) => {
        const [left, right] = [this.placeAt(from) * 100, this.placeAt(to) * 100];
        return `<i class="idle" style="left:${left.toFixed(3)}%;width:${(right - left).toFixed(3)}%" title="${spoken(to - from)} without an event"></i>`;
      });
    const marks = Array.from({ length: MARKS + 1 }, (_, index) => index / MARKS).map(
      (place) => `<span style="left:${place * 100}%">${spoken(Math.round(this.timeAt(place)))}</span>`,
    );
    this.element.innerHTML = `<div class="strip">${bands.join("")}<svg class="density" viewBox="0 0 1000 16"
      preserveAspectRatio="none" aria-hidden="true"><path d="${this.densityPath()}"/></svg>${idle.join("")}${steps.join("")}<i
      class="cursor"></i></div><div class="marks">${marks.join("")}</div>`;
    this.strip = this.element.querySelector(".strip");
    this.cursor = this.element.querySelector(".cursor");
  }

  bandHtml(device) {
    let html = "";
    let from = 0;
    let state = OFF;
    const push = (to) => {
      const [left, right] = [this.placeAt(from) * 100, this.placeAt(to) * 100];
      if (right > left && state !== OFF) {
        html += `<i class="band s-${state}" style="left:${left.toFixed(3)}%;width:${(right - left).toFixed(3)}%" title="${state}, ${spoken(to - from)}"></i>`;
      }
    };
    for (const row of this.run.rows) {
      if (row.states[device] !== state) {
        push(row.at);
        from = row.at;
        state = row.states[device];
      }
    }
    push(this.times.at(-1));
    return html;
  }

  /** How many frames are sent where: a bar for each thousandth that has some. */
  densityPath() {
    const counts = new Array(1001).fill(0);
    for (const row of this.run.rows) {
      if (row.kind === "frame") {
        counts[Math.round(this.placeAt(row.at) * 1000)] += 1;
      }
    }
    return counts.map((count, x) => (count ? `M${x} 16v-${Math.min(16, 3 + 4 * Math.log2(count)).toFixed(1)}` : "")).join("");
  }

  moveTo(time) {
    this.cursor.style.left = `${this.placeAt(time) * 100}%`;
  }
}

/** The first place whose value is not below. */
function lowerBound(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

