// What happens, as rows that come: events, what the console prints, and packets.

/** Rows that are kept; a page that is open for days is as quick as a new one. */
const ROWS_MAX = 6_000;
/** How far from its end a list may be and still follow what comes, in pixels. */
const NEAR_END = 40;
/** By key, name, words, and whether it is shown at first. */
const FILTERS = [
  ["1", "story", "Story", true],
  ["2", "detail", "Details", false],
  ["3", "console", "Console", false],
  ["4", "packet", "Packets", false],
  ["5", "segment", "TCP, ARP", false],
];

class Timeline {
  constructor(onSelect) {
    Object.assign(this, { onSelect, rows: [], next: 0, selected: null, wanted: "", kinds: new Map() });
    this.filters = new Set(FILTERS.filter(([, , , isOn]) => isOn).map(([, name]) => name));
    this.list = $("list");
    this.listen();
    this.drawFilters();
  }

  listen() {
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-number]");
      if (row) {
        this.select(row);
      }
    });
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("scroll", () => this.drawNewest(), { passive: true });
    $("newest").addEventListener("click", () => this.toEnd());
    $("search").addEventListener("input", (event) => {
      this.wanted = event.target.value.trim().toLowerCase();
      this.redraw();
    });
    $("filters").addEventListener("click", (event) => {
      const button = event.target.closest("[data-filter]");
      if (button) {
        this.toggle(button.dataset.filter);
      }
    });
  }

  toggle(name) {
    if (!this.filters.delete(name)) {
      this.filters.add(name);
    }
    this.drawFilters();
    this.redraw();
  }

  drawFilters() {
    if ($("filters").childElementCount === 0) {
      $("filters").innerHTML = FILTERS.map(
        ([key, name, words]) => `<button type="button" data-filter="${name}" title="shown or hidden (${key})">${words}</button>`,
      ).join("");
    }
    for (const button of $("filters").children) {
      button.setAttribute("aria-pressed", String(this.filters.has(button.dataset.filter)));
    }
  }

  clear() {
    this.rows = [];
    this.selected = null;
    this.redraw();
  }

  /** Takes in what an update brings. */
  add({ lines, frames, left_out: leftOut }) {
    const rows = [...lines.map((line) => this.entryRow(line)), ...frames.map((frame) => this.frameRow(frame))];
    // What a device says it does comes before the frame in which it does it.
    rows.sort((a, b) => a.at - b.at || (a.kind === "frame") - (b.kind === "frame"));
    const missing = leftOut.lines + leftOut.frames;
    if (missing > 0 && this.rows.length > 0) {
      const text = `${leftOut.lines} lines and ${leftOut.frames} frames are left out: they came too fast`;
      rows.unshift({ kind: "gap", filter: "story", at: rows[0]?.at ?? 0, who: "", text, search: text });
    }
    for (const row of rows) {
      row.number = this.next;
      this.next += 1;
    }
    this.rows.push(...rows);
    const isFollowing = this.isAtEnd();
    const shown = rows.filter((row) => this.shows(row));
    if (shown.length > 0) {
      this.list.querySelector(".empty")?.remove();
      this.list.insertAdjacentHTML("beforeend", shown.map(rowHtml).join(""));
      this.colourSwatches();
    }
    this.trim();
    this.drawHits();
    if (isFollowing) {
      this.list.scrollTop = this.list.scrollHeight;
    }
    this.drawNewest();
  }

  entryRow(entry) {
    const kind = kindOfEvent(entry.event);
    this.kinds.set(entry.actor, kind);
    const search = `${entry.text}\n${entry.actor}\n${entry.event}`.toLowerCase();
    return { kind: "entry", filter: entry.level, at: entry.at_us, who: entry.actor, class: kind, text: entry.text, entry, search };
  }

  frameRow(frame) {
    const bytes = Uint8Array.from(atob(frame.bytes), (c) => c.charCodeAt(0));
    const decoded = decodeFrame(bytes);
    const { note } = frame;
    if (note) {
      decoded.isNoise = false;
      decoded.layers.push({ name: `${note.protocol}, told in words`, fields: [["it says", note.words], ["length", `${note.len} bytes`]] });
      if (note.protocol === "data") {
        decoded.summary += `, ${note.words}`;
      } else {
        Object.assign(decoded, { protocol: note.protocol, summary: note.words });
      }
    }
    const fields = decoded.layers.flatMap((layer) => [layer.name, ...layer.fields.map(([label, value]) => `${label} ${value}`)]);
    const search = [decoded.protocol, decoded.summary, frame.sender, ...fields].join("\n").toLowerCase();
    const filter = decoded.isNoise ? "segment" : "packet";
    const kind = this.kinds.get(frame.sender) ?? "host";
    return { kind: "frame", filter, at: frame.at_us, who: frame.sender, class: kind, text: decoded.summary, frame, bytes, decoded, search };
  }

  shows(row) {
    return this.wanted === "" ? this.filters.has(row.filter) : row.search.includes(this.wanted);
  }

  trim() {
    const surplus = this.rows.length - ROWS_MAX;
    if (surplus <= 0) {
      return;
    }
    this.rows.splice(0, surplus);
    const oldest = this.rows[0].number;
    while (this.list.firstElementChild && Number(this.list.firstElementChild.dataset.number) < oldest) {
      this.list.firstElementChild.remove();
    }
  }

  redraw() {
    const shown = this.rows.filter((row) => this.shows(row));
    const none = this.wanted === "" ? "Nothing has happened yet that is shown here." : "Nothing was found.";
    this.list.innerHTML = shown.length > 0 ? shown.map(rowHtml).join("") : `<p class="empty quiet">${none}</p>`;
    this.colourSwatches();
    const selected = this.selected && $(`row-${this.selected.number}`);
    if (selected) {
      this.mark(selected);
      selected.scrollIntoView({ block: "nearest" });
    } else {
      this.list.scrollTop = this.list.scrollHeight;
    }
    this.drawHits();
    this.drawNewest();
  }

  /** The page's policy takes no style that stands in an element. */
  colourSwatches() {
    for (const swatch of this.list.querySelectorAll(".swatch[data-colour]")) {
      swatch.style.setProperty("--light", swatch.dataset.colour);
      delete swatch.dataset.colour;
    }
  }

  drawHits() {
    $("hits").textContent = this.wanted === "" ? "" : `${this.list.querySelectorAll(".row").length} found`;
  }

  isAtEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.list;
    return scrollTop + clientHeight >= scrollHeight - NEAR_END;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
  }

  drawNewest() {
    $("newest").hidden = this.isAtEnd();
  }

  select(element) {
    this.selected = this.rows.find((row) => row.number === Number(element.dataset.number)) ?? null;
    this.mark(element);
    element.scrollIntoView({ block: "nearest" });
    if (this.selected) {
      this.onSelect(this.selected);
    }
  }

  mark(element) {
    this.list.querySelector(".selected")?.setAttribute("aria-selected", "false");
    this.list.querySelector(".selected")?.classList.remove("selected");
    element.classList.add("selected");
    element.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", element.id);
  }

  onKey(event) {
    const rows = this.list.querySelectorAll(".row");
    const here = this.list.querySelector(".selected");
    const to = {
      ArrowDown: here ? here.nextElementSibling : rows[rows.length - 1],
      ArrowUp: here ? here.previousElementSibling : rows[rows.length - 1],
      Home: rows[0],
      End: rows[rows.length - 1],
    };
    if (event.key in to) {
      event.preventDefault();
      if (to[event.key]?.matches(".row")) {
        this.select(to[event.key]);
      }
    }
  }
}

function rowHtml(row) {
  let text = escapeHtml(row.text);
  if (row.kind === "frame") {
    text = `<b class="proto ${row.decoded.protocol.toLowerCase()}">${row.decoded.protocol}</b> ${text}`;
  } else if (row.entry?.event === "indicator") {
    text = `<i class="swatch" data-colour="${escapeHtml(row.entry.colour)}"></i>${text}`;
  } else if (row.entry?.event === "device.state") {
    text = `<i class="swatch s-${escapeHtml(row.entry.to)}"></i>${text}`;
  }
  return `<div class="row ${row.filter}" role="option" aria-selected="false" id="row-${row.number}" data-number="${row.number}">
    <span class="time">${clock(row.at)}</span><b class="who ${row.class ?? ""}">${escapeHtml(row.who)}</b><span class="what">${text}</span></div>`;
}

/** What is known of a row. */
function detailsHtml(row) {
  if (row.kind === "frame") {
    return frameHtml(row);
  }
  if (row.kind === "gap") {
    return `<h3>${escapeHtml(row.text)}</h3>`;
  }
  const { at_us: at, actor, event, text, level, ...fields } = row.entry;
  return `<h3>${escapeHtml(text)}</h3>${fieldsHtml([["event", event], ["actor", actor], ["time", `${clock(at)} s`], ...Object.entries(fields)])}`;
}

function frameHtml(row) {
  const { frame, decoded } = row;
  const layers = decoded.layers.map(({ name, fields }, index) => {
    const open = index >= 2 || decoded.layers.length <= 2 ? " open" : "";
    return `<details${open}><summary>${escapeHtml(name)}</summary>${fieldsHtml(fields)}</details>`;
  });
  const hidden = frame.note ? `<p class="quiet">What was sent may hold passwords and tokens: it is told in words.</p>` : "";
  return `<h3><b class="proto ${decoded.protocol.toLowerCase()}">${decoded.protocol}</b> ${escapeHtml(decoded.summary)}</h3>
    <p class="quiet">from ${escapeHtml(frame.sender)}, ${frame.port === "air" ? "over the air" : "on the wire"}, ${frame.len} bytes, at ${clock(row.at)} s</p>
    ${layers.join("")}${hidden}`;
}
