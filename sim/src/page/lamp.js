// The indicator as a person would see it.

/** How bright a pattern is after so many milliseconds, 0 to 1: the same function of time as the firmware's. */
function lampLevel({ beat_ms: beat, wave_step_ms: step }, ms) {
  if (beat) {
    const period = beat.reduce((sum, part) => sum + part, 0);
    let phase = period > 0 ? ms % period : 0;
    let on = period > 0;
    for (const part of beat) {
      if (phase < part) {
        break;
      }
      phase -= part;
      on = !on;
    }
    return on ? 1 : 0;
  }
  if (!step) {
    return 0;
  }
  const place = Math.floor(ms / step) % 256;
  return ((place < 128 ? place : 255 - place) * 2) / 255;
}

function lampWords({ colour, beat_ms: beat, wave_step_ms: step }) {
  if (step) {
    return `${colour}, breathing once in ${spoken(step * 256_000)}`;
  }
  const same = beat[0] === beat[2] && beat[1] === beat[3];
  return `${colour}, ${(same ? beat.slice(0, 2) : beat).join(", ")} ms on and off`;
}

/** Lamps on the page, each with the pattern it shows and how far that had come when it was put there. */
const lamps = new Map();
const wantsStillness = window.matchMedia("(prefers-reduced-motion: reduce)");

function setLamp(element, row, at) {
  const pattern = row?.entry;
  lamps.set(element, pattern ? { pattern, ms: (at - row.at) / 1000, since: performance.now() } : null);
  element.title = pattern ? `indicator: ${lampWords(pattern)}` : "indicator: dark";
}

function animateLamps(now) {
  for (const [element, shown] of lamps) {
    if (!element.isConnected) {
      lamps.delete(element);
      continue;
    }
    const level = !shown ? 0 : wantsStillness.matches ? 1 : lampLevel(shown.pattern, shown.ms + now - shown.since);
    element.style.setProperty("--light", shown ? shown.pattern.colour : "transparent");
    element.style.setProperty("--level", level.toFixed(2));
  }
  requestAnimationFrame(animateLamps);
}

