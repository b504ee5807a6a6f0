// Texts as a page shows them: times, fields, and what HTML would take for its own.

/** From here on, milliseconds say nothing any more where there is little room. */
const SHORT_CLOCK_MAX_US = 600_000_000;

function escapeHtml(text) {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
}

function fieldsHtml(rows) {
  const html = rows.map(([label, value]) => `<tr><th>${escapeHtml(String(label).replaceAll("_", " "))}</th><td>${escapeHtml(String(value))}</td></tr>`);
  return `<table>${html.join("")}</table>`;
}

/** A time as seconds with three decimals. */
function clock(us) {
  const ms = Math.floor(us / 1000);
  return `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, "0")}`;
}

/** A time in a few characters: late ones are told as a person would. */
function shortClock(us) {
  return us < SHORT_CLOCK_MAX_US ? clock(us) : spoken(us);
}

/** A length of time as a person says it. */
function spoken(us) {
  const s = us / 1e6;
  if (us === 0) {
    return "0 s";
  }
  if (s < 0.001) {
    return `${us} µs`;
  }
  if (s < 1) {
    return `${Math.round(us / 100) / 10} ms`;
  }
  const two = (unit, name, part, partName) => {
    const rest = Math.floor((s % unit) / part);
    return `${Math.floor(s / unit)} ${name}${rest ? ` ${rest} ${partName}` : ""}`;
  };
  if (s < 60) {
    return `${Math.floor(s * 10) / 10} s`;
  }
  if (s < 3600) {
    return two(60, "min", 1, "s");
  }
  return s < 86_400 ? two(3600, "h", 60, "min") : two(86_400, "d", 3600, "h");
}
