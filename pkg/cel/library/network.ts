/** IP addresses, blocks of them and URLs. Source: apiserver `pkg/cel/library/{ip,cidr,urls}.go`. */
import {
  blockContains,
  formatIp,
  type IpAddress,
  type IpBlock,
  isMappedIpv4,
  parseCidr,
  parseIp,
} from '#pkg/apimachinery/ip.ts';
import { bool, globalFunction, instanceOf, int, map, memberFunction, type Overload, string } from '../functions.ts';
import { opaqueType } from '../types.ts';
import { compareBytes, EvaluationError, listValue, mapValue, OpaqueValue } from '../values.ts';

class IpValue extends OpaqueValue {
  readonly type = opaqueType('net.IP');
  readonly address: IpAddress;

  constructor(address: IpAddress) {
    super();
    this.address = address;
  }

  override get size(): number {
    return this.address.length;
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof IpValue && compareBytes(other.address, this.address) === 0;
  }
}

class CidrValue extends OpaqueValue {
  readonly type = opaqueType('net.CIDR');
  readonly block: IpBlock;

  constructor(block: IpBlock) {
    super();
    this.block = block;
  }

  override get size(): number {
    return Math.ceil(this.block.prefixBits / 8);
  }

  equals(other: OpaqueValue): boolean {
    if (!(other instanceof CidrValue)) return false;
    return (
      other.block.prefixBits === this.block.prefixBits && compareBytes(other.block.address, this.block.address) === 0
    );
  }
}

class UrlValue extends OpaqueValue {
  readonly type = opaqueType('kubernetes.URL');
  readonly url: ParsedUrl;

  constructor(url: ParsedUrl) {
    super();
    this.url = url;
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof UrlValue && other.url.text === this.url.text;
  }
}

const ip = instanceOf(opaqueType('net.IP'), IpValue);
const cidr = instanceOf(opaqueType('net.CIDR'), CidrValue);
const url = instanceOf(opaqueType('kubernetes.URL'), UrlValue);

function ipProblem(text: string): string | undefined {
  if (text.includes('%')) return `IP address ${JSON.stringify(text)} with zone value is not allowed`;
  const address = parseIp(text);
  if (address === undefined) {
    const why = `ParseAddr(${JSON.stringify(text)}): unable to parse IP`;
    return `IP Address ${JSON.stringify(text)} parse error during conversion from string: ${why}`;
  }
  return isMappedIpv4(address) ? `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed` : undefined;
}

function readIp(text: string): IpValue {
  const problem = ipProblem(text);
  const address = parseIp(text);
  if (problem !== undefined || address === undefined) throw new EvaluationError(problem ?? '');
  return new IpValue(address);
}

function readCidr(text: string): CidrValue {
  const block = parseCidr(text);
  const words = 'network address parse error during conversion from string';
  if (block === undefined)
    throw new EvaluationError(`${words}: ${words}: netip.ParsePrefix(${JSON.stringify(text)}): invalid prefix`);
  if (isMappedIpv4(block.address))
    throw new EvaluationError(`${words}: IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
  return new CidrValue(block);
}

function isCidr(text: string): boolean {
  const block = parseCidr(text);
  return block !== undefined && !isMappedIpv4(block.address);
}

function masked({ address, prefixBits }: IpBlock): IpBlock {
  const kept = address.map((byte, index) => {
    const bits = Math.max(0, Math.min(8, prefixBits - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
  return { address: kept, prefixBits };
}

function containsBlock(outer: IpBlock, inner: IpBlock): boolean {
  return outer.prefixBits <= inner.prefixBits && blockContains(outer, inner.address);
}

const isV4 = ({ address }: IpValue): boolean => address.length === 4;
const [byte0, byte1] = [
  ({ address }: IpValue): number => address[0] ?? 0,
  ({ address }: IpValue): number => address[1] ?? 0,
];

function isUnspecified({ address }: IpValue): boolean {
  return address.every((byte) => byte === 0);
}

function isLoopback(one: IpValue): boolean {
  return isV4(one) ? byte0(one) === 127 : formatIp(one.address) === '::1';
}

function isLinkLocalMulticast(one: IpValue): boolean {
  if (isV4(one)) return byte0(one) === 224 && byte1(one) === 0 && one.address[2] === 0;
  return byte0(one) === 0xff && (byte1(one) & 0x0f) === 2;
}

function isLinkLocalUnicast(one: IpValue): boolean {
  return isV4(one) ? byte0(one) === 169 && byte1(one) === 254 : byte0(one) === 0xfe && (byte1(one) & 0xc0) === 0x80;
}

function isGlobalUnicast(one: IpValue): boolean {
  const isMulticast = isV4(one) ? byte0(one) >= 224 && byte0(one) < 240 : byte0(one) === 0xff;
  const isBroadcast = isV4(one) && one.address.every((byte) => byte === 255);
  return !isUnspecified(one) && !isLoopback(one) && !isMulticast && !isLinkLocalUnicast(one) && !isBroadcast;
}

interface ParsedUrl {
  readonly text: string;
  readonly scheme: string;
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
  readonly query: string;
}

const urlPattern = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/su;

/** An absolute URL or an absolute path, as Go's `url.ParseRequestURI` takes them. */
function parseUrl(text: string): ParsedUrl | string {
  const refused = (why: string): string => `parse ${JSON.stringify(text)}: ${why}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused.
  if (/[\x00-\x1f\x7f]/.test(text)) return refused('net/url: invalid control character in URL');
  if (text === '') return refused('empty url');
  const match = urlPattern.exec(text);
  const [, scheme = '', authority = '', path = '', query = ''] = match ?? [];
  if (
    match === null ||
    (scheme === '' && !text.startsWith('/')) ||
    (scheme !== '' && !text.slice(scheme.length + 1).startsWith('/'))
  ) {
    return refused('invalid URI for request');
  }
  if (/%(?![0-9a-fA-F]{2})/.test(authority + path)) return refused('invalid URL escape');
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host);
  if (parts === null || /[ <>"^`{}|\\]/.test(host)) return refused('invalid character in host name');
  const hostname = (parts[1] ?? '').replace(/^\[|\]$/g, '');
  return { text, scheme: scheme.toLowerCase(), host, hostname, port: parts[2] ?? '', path: encodedPath(path), query };
}

function encodedPath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-_.~$&+,/:;=@!'()*%[\]]/gu, encodeURIComponent);
}

function queryOf({ query }: ParsedUrl): ReturnType<typeof mapValue> {
  const found = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    const values = found.get(name);
    if (values === undefined) found.set(name, [value]);
    else values.push(value);
  }
  return mapValue(Array.from(found, ([name, values]) => [name, listValue(values)]));
}

function readUrl(text: string): UrlValue {
  const found = parseUrl(text);
  if (typeof found === 'string') throw new EvaluationError(`URL parse error during conversion from string: ${found}`);
  return new UrlValue(found);
}

const urls: readonly Overload[] = [
  globalFunction({ fn: 'url', id: 'string_to_url', takes: [string], gives: url }, readUrl),
  globalFunction(
    { fn: 'isURL', id: 'is_url_string', takes: [string], gives: bool },
    (text) => typeof parseUrl(text) !== 'string',
  ),
  memberFunction({ fn: 'getScheme', id: 'url_get_scheme', takes: [url], gives: string }, (one) => one.url.scheme),
  memberFunction({ fn: 'getHost', id: 'url_get_host', takes: [url], gives: string }, (one) => one.url.host),
  memberFunction({ fn: 'getHostname', id: 'url_get_hostname', takes: [url], gives: string }, (one) => one.url.hostname),
  memberFunction({ fn: 'getPort', id: 'url_get_port', takes: [url], gives: string }, (one) => one.url.port),
  memberFunction(
    { fn: 'getEscapedPath', id: 'url_get_escaped_path', takes: [url], gives: string },
    (one) => one.url.path,
  ),
  memberFunction({ fn: 'getQuery', id: 'url_get_query', takes: [url], gives: map('string', 'list<string>') }, (one) =>
    queryOf(one.url),
  ),
];

/** All of them. */
export const networkLibrary: readonly Overload[] = [
  ...urls,
  globalFunction({ fn: 'ip', id: 'string_to_ip', takes: [string], gives: ip }, readIp),
  globalFunction({ fn: 'isIP', id: 'is_ip', takes: [string], gives: bool }, (text) => ipProblem(text) === undefined),
  globalFunction(
    { fn: 'ip.isCanonical', id: 'ip_is_canonical', takes: [string], gives: bool },
    (text) => formatIp(readIp(text).address) === text,
  ),
  globalFunction({ fn: 'string', id: 'ip_to_string', takes: [ip], gives: string }, ({ address }) => formatIp(address)),
  memberFunction({ fn: 'family', id: 'ip_family', takes: [ip], gives: int }, (one) => (isV4(one) ? 4n : 6n)),
  memberFunction({ fn: 'isUnspecified', id: 'ip_is_unspecified', takes: [ip], gives: bool }, isUnspecified),
  memberFunction({ fn: 'isLoopback', id: 'ip_is_loopback', takes: [ip], gives: bool }, isLoopback),
  memberFunction(
    { fn: 'isLinkLocalMulticast', id: 'ip_is_link_local_multicast', takes: [ip], gives: bool },
    isLinkLocalMulticast,
  ),
  memberFunction(
    { fn: 'isLinkLocalUnicast', id: 'ip_is_link_local_unicast', takes: [ip], gives: bool },
    isLinkLocalUnicast,
  ),
  memberFunction({ fn: 'isGlobalUnicast', id: 'ip_is_global_unicast', takes: [ip], gives: bool }, isGlobalUnicast),
  globalFunction({ fn: 'cidr', id: 'string_to_cidr', takes: [string], gives: cidr }, readCidr),
  globalFunction({ fn: 'isCIDR', id: 'is_cidr', takes: [string], gives: bool }, isCidr),
  globalFunction(
    { fn: 'string', id: 'cidr_to_string', takes: [cidr], gives: string },
    ({ block }) => `${formatIp(block.address)}/${block.prefixBits}`,
  ),
  memberFunction(
    { fn: 'containsIP', id: 'cidr_contains_ip_string', takes: [cidr, string], gives: bool },
    ({ block }, text) => blockContains(block, readIp(text).address),
  ),
  memberFunction(
    { fn: 'containsIP', id: 'cidr_contains_ip_ip', takes: [cidr, ip], gives: bool },
    ({ block }, { address }) => blockContains(block, address),
  ),
  memberFunction(
    { fn: 'containsCIDR', id: 'cidr_contains_cidr_string', takes: [cidr, string], gives: bool },
    ({ block }, text) => containsBlock(block, readCidr(text).block),
  ),
  memberFunction({ fn: 'containsCIDR', id: 'cidr_contains_cidr', takes: [cidr, cidr], gives: bool }, (a, b) =>
    containsBlock(a.block, b.block),
  ),
  memberFunction({ fn: 'ip', id: 'cidr_ip', takes: [cidr], gives: ip }, ({ block }) => new IpValue(block.address)),
  memberFunction({ fn: 'prefixLength', id: 'cidr_prefix_length', takes: [cidr], gives: int }, ({ block }) =>
    BigInt(block.prefixBits),
  ),
  memberFunction(
    { fn: 'masked', id: 'cidr_masked', takes: [cidr], gives: cidr },
    ({ block }) => new CidrValue(masked(block)),
  ),
];

/** What is wrong with a text that is no absolute URL or path, in Go's words; undefined when nothing is. */
export function urlProblem(text: string): string | undefined {
  const found = parseUrl(text);
  return typeof found === 'string' ? found : undefined;
}
