// Takes frames apart: Ethernet, ARP, IPv4, ICMP, UDP and TCP. Each layer is { name, fields } with fields
// [label, value, from, to]: the bytes it was read from, for the hex view.

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const IP_ICMP = 1;
const IP_TCP = 6;
const IP_UDP = 17;

/** Reads numbers from a piece of a frame; whatever lies outside reads as zero and is remembered. */
class Bytes {
  constructor(all, from = 0, to = all.length) {
    this.all = all;
    this.from = from;
    this.to = Math.min(to, all.length);
    this.isShort = false;
  }

  get length() {
    return Math.max(0, this.to - this.from);
  }

  u8(at) {
    const place = this.from + at;
    if (at < 0 || place >= this.to) {
      this.isShort = true;
      return 0;
    }
    return this.all[place];
  }

  u16(at) {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }

  u32(at) {
    return this.u16(at) * 0x10000 + this.u16(at + 2);
  }

  slice(at, len = this.length - at) {
    return new Bytes(this.all, Math.min(this.from + at, this.to), Math.min(this.from + at + len, this.to));
  }

  text(at = 0, len = this.length - at) {
    let text = "";
    for (let i = 0; i < len && this.from + at + i < this.to; i += 1) {
      text += String.fromCharCode(this.all[this.from + at + i]);
    }
    return text;
  }

  mac(at) {
    return [0, 1, 2, 3, 4, 5].map((i) => hex(this.u8(at + i), 2)).join("-");
  }

  ip(at) {
    return [0, 1, 2, 3].map((i) => this.u8(at + i)).join(".");
  }

  /** A field for the inspector: what stands at these bytes. */
  field(label, value, at, len) {
    return [label, String(value), this.from + at, Math.min(this.from + at + len, this.to)];
  }
}

function hex(value, digits) {
  return value.toString(16).padStart(digits, "0");
}

/** Bytes as a person may read them: what is not printable ASCII is a dot or an escape of its own. */
function readable(text) {
  return text.replace(/[^\x20-\x7e]/g, (c) => (c === "\r" ? "␍" : c === "\n" ? "␊" : "·"));
}

/** Text of UTF-8 bytes that were read one by one. */
function fromUtf8(text) {
  try {
    return decodeURIComponent(escape(text));
  } catch {
    return readable(text);
  }
}

/**
 * Takes a frame apart. Returns { protocol, summary, layers, isNoise }; noise carries nothing that an application said.
 */
function decodeFrame(all) {
  const bytes = new Bytes(all);
  const layers = [
    {
      name: "Ethernet",
      fields: [
        bytes.field("to", bytes.mac(0), 0, 6),
        bytes.field("from", bytes.mac(6), 6, 6),
        bytes.field("type", `0x${hex(bytes.u16(12), 4)}`, 12, 2),
      ],
    },
  ];
  const frame = { protocol: "Ethernet", summary: `type 0x${hex(bytes.u16(12), 4)}`, layers, isNoise: true };
  const type = bytes.u16(12);
  if (type === ETHERTYPE_ARP) {
    decodeArp(bytes.slice(14), frame);
  } else if (type === ETHERTYPE_IPV4) {
    decodeIpv4(bytes.slice(14), frame);
  }
  return frame;
}

function decodeArp(bytes, frame) {
  const isRequest = bytes.u16(6) === 1;
  frame.protocol = "ARP";
  frame.summary = isRequest ? `who has ${bytes.ip(24)}?` : `${bytes.ip(14)} is at ${bytes.mac(8)}`;
  frame.layers.push({
    name: "ARP (RFC 826)",
    fields: [
      bytes.field("operation", isRequest ? "request" : "reply", 6, 2),
      bytes.field("sender", `${bytes.mac(8)} ${bytes.ip(14)}`, 8, 10),
      bytes.field("target", `${bytes.mac(18)} ${bytes.ip(24)}`, 18, 10),
    ],
  });
}

function decodeIpv4(bytes, frame) {
  const headerLen = (bytes.u8(0) & 15) * 4;
  const protocol = bytes.u8(9);
  const fragment = bytes.u16(6) & 0x1fff;
  const names = { [IP_ICMP]: "ICMP", [IP_TCP]: "TCP", [IP_UDP]: "UDP" };
  frame.layers.push({
    name: "IPv4 (RFC 791)",
    fields: [
      bytes.field("from", bytes.ip(12), 12, 4),
      bytes.field("to", bytes.ip(16), 16, 4),
      bytes.field("protocol", names[protocol] || protocol, 9, 1),
      bytes.field("length", bytes.u16(2), 2, 2),
      bytes.field("time to live", bytes.u8(8), 8, 1),
    ],
  });
  const payload = bytes.slice(headerLen, Math.max(0, bytes.u16(2) - headerLen));
  frame.protocol = names[protocol] || "IPv4";
  frame.summary = `${bytes.ip(12)} → ${bytes.ip(16)}`;
  if (fragment > 0) {
    frame.summary += `, fragment at ${fragment * 8}`;
  } else if (protocol === IP_UDP) {
    decodeUdp(payload, frame);
  } else if (protocol === IP_TCP) {
    decodeTcp(payload, frame);
  } else if (protocol === IP_ICMP) {
    decodeIcmp(payload, frame);
  }
}

function decodeIcmp(bytes, frame) {
  const names = { 0: "echo reply", 3: "destination unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded" };
  const name = names[bytes.u8(0)] || `type ${bytes.u8(0)}`;
  frame.summary = name;
  frame.layers.push({
    name: "ICMP (RFC 792)",
    fields: [bytes.field("type", name, 0, 1), bytes.field("code", bytes.u8(1), 1, 1)],
  });
}

function decodeUdp(bytes, frame) {
  const [from, to] = [bytes.u16(0), bytes.u16(2)];
  frame.layers.push({
    name: "UDP (RFC 768)",
    fields: [
      bytes.field("from port", from, 0, 2),
      bytes.field("to port", to, 2, 2),
      bytes.field("length", bytes.u16(4), 4, 2),
    ],
  });
  frame.summary = `${from} → ${to}, ${bytes.length - 8} bytes`;
  frame.isNoise = false;
  const payload = bytes.slice(8);
  if (from === 67 || to === 67) {
    decodeDhcp(payload, frame);
  } else if (from === 53 || to === 53) {
    decodeDns(payload, frame);
  }
}

function decodeTcp(bytes, frame) {
  const [from, to] = [bytes.u16(0), bytes.u16(2)];
  const headerLen = (bytes.u8(12) >> 4) * 4;
  const flagNames = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
  const flags = flagNames.filter((_, bit) => bytes.u8(13) & (1 << bit));
  const payload = bytes.slice(headerLen);
  const fields = [
    bytes.field("from port", from, 0, 2),
    bytes.field("to port", to, 2, 2),
    bytes.field("sequence", bytes.u32(4), 4, 4),
    bytes.field("acknowledges", bytes.u32(8), 8, 4),
    bytes.field("flags", flags.join(" "), 13, 1),
    bytes.field("window", bytes.u16(14), 14, 2),
  ];
  for (const option of tcpOptions(bytes, headerLen)) {
    fields.push(option);
  }
  if (payload.length > 0) {
    fields.push(payload.field("data", `${payload.length} bytes`, 0, payload.length));
  }
  frame.layers.push({ name: "TCP (RFC 9293)", fields });
  const shown = flags.filter((flag) => flag !== "PSH").join(", ");
  frame.summary = `${from} → ${to}  ${shown}${payload.length > 0 ? `, ${payload.length} bytes` : ""}`;
  if (payload.length > 0) {
    frame.isNoise = false;
    decodeStream(payload, frame, from, to);
  }
}

function tcpOptions(bytes, headerLen) {
  const fields = [];
  let at = 20;
  while (at < headerLen && bytes.u8(at) !== 0) {
    const kind = bytes.u8(at);
    if (kind === 1) {
      at += 1;
      continue;
    }
    const len = Math.max(2, bytes.u8(at + 1));
    if (kind === 2) {
      fields.push(bytes.field("MSS", bytes.u16(at + 2), at, len));
    } else if (kind === 3) {
      fields.push(bytes.field("window scale", bytes.u8(at + 2), at, len));
    } else if (kind === 4) {
      fields.push(bytes.field("SACK", "permitted", at, len));
    } else {
      fields.push(bytes.field(`option ${kind}`, `${len} bytes`, at, len));
    }
    at += len;
  }
  return fields;
}

