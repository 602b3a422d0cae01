/** IP addresses and address blocks as text. Strict: no leading zeros, no zones. Source: RFC 4291 section 2.2; Go's `net.ParseIP`. */

/** Four bytes for IPv4, sixteen for IPv6. */
export type IpAddress = Uint8Array;

/** An address block: an address and the number of its leading bits that count. */
export interface IpBlock {
  readonly address: IpAddress;
  readonly prefixBits: number;
}

const ipv4Part = /^(?:0|[1-9]\d{0,2})$/;
const ipv6Part = /^[0-9a-fA-F]{1,4}$/;

/** The address that a text means, or undefined when it is none. */
export function parseIp(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [index, part] of parts.entries()) {
    if (!ipv4Part.test(part) || Number(part) > 255) return undefined;
    bytes[index] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of groups between colons; the last may be an IPv4 address where it ends the text. */
function groupsOf(text: string, endsText: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (endsText && index === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === undefined) return undefined;
      bytes.push(...ipv4);
    } else {
      if (!ipv6Part.test(part)) return undefined;
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    }
  }
  return bytes.length > 16 ? undefined : bytes;
}

/** The block that a text such as `10.0.0.0/8` means, or undefined when it is none. */
export function parseCidr(text: string): IpBlock | undefined {
  const slash = text.indexOf('/');
  const bits = text.slice(slash + 1);
  if (slash < 0 || !ipv4Part.test(bits)) return undefined;
  const address = parseIp(text.slice(0, slash));
  if (address === undefined || Number(bits) > address.length * 8) return undefined;
  return { address, prefixBits: Number(bits) };
}

/** Whether an address is in a block; never across the two versions. */
export function blockContains({ address, prefixBits }: IpBlock, ip: IpAddress): boolean {
  if (address.length !== ip.length) return false;
  for (let index = 0, left = prefixBits; left > 0; index++, left -= 8) {
    const mask = left >= 8 ? 255 : 255 & ~(255 >> left);
    if (((address[index]! ^ ip[index]!) & mask) !== 0) return false;
  }
  return true;
}

/** Whether an address is an IPv4 address written as an IPv6 one. */
export function isMappedIpv4(ip: IpAddress): boolean {
  return ip.length === 16 && ip[10] === 255 && ip[11] === 255 && ip.slice(0, 10).every((byte) => byte === 0);
}

/** The one text that an address is written as: lower case, and the longest run of two zero groups or more left out. Source: RFC 5952. */
export function formatIp(ip: IpAddress): string {
  if (ip.length === 4) return ip.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((ip[2 * i]! << 8) | ip[2 * i + 1]!).toString(16));
  const [start, length] = longestZeroRun(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** The first of the longest runs. */
function longestZeroRun(groups: readonly string[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === '0' ? length + 1 : 0;
    if (length > best[1]) best = [index - length + 1, length];
  }
  return best;
}
