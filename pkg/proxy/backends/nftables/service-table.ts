/**
 * The nftables table of a proxy: its sets, maps and chains without any Service. A Service is elements alone; chains are there for what Services have
 * in common: how many endpoints they choose from, and how long a client stays. So a change costs what changed, and a packet costs the same lookups
 * among ten Services and ten thousand. Pure. Upstream counterpart: kube-proxy `proxy/nftables`, which has chains per Service.
 *
 * Only the first packet of a connection comes here. It is looked up by address, protocol and port, in `inside` where it is from a pod or this node
 * itself and in `services` else, or by protocol and port alone where it is for an address of the node (`inside-node-ports`, `node-ports`).
 */

/** Family of addresses, as in `endpoints4`. */
export type Family = '4' | '6';

/** What is looked up, and where. */
export type Scope = 'inside' | 'inside-node-ports' | 'node-ports' | 'services';

/** Both. */
export const families: readonly Family[] = ['4', '6'];

/** All scopes, in the order in which they are asked. */
const scopes: readonly Scope[] = ['inside', 'services', 'inside-node-ports', 'node-ports'];

/** What a table is made for. */
export interface ServiceTableOptions {
  /** `inet coxswain-services`: family and name. */
  readonly table: string;
  /** Ranges of all pods of the cluster: others are masqueraded when they use cluster IPs, and let in by external addresses under the policy Local only where endpoints are. */
  readonly podRanges: readonly string[];
  /** Ranges of cluster IPs: what no Service has of them refuses. */
  readonly serviceRanges: readonly string[];
  /** Addresses of those ranges at which programs answer themselves, past the proxy: cluster DNS. */
  readonly served?: readonly string[];
  /** Addresses on which node ports answer. */
  readonly nodePortAddresses: readonly string[];
}

/**
 * Of the packet's mark, between this table's hooks: the number of the endpoint that was chosen, and with this bit that the client is masqueraded.
 * Source: kube-proxy `--iptables-masquerade-bit`.
 */
const masqueradeBit = 0x4000;

/** Endpoints of one port that are used; there are numbers for no more. */
export const endpointsMax = masqueradeBit;

/** Clients that are remembered at most, per family; beyond, further ones are not kept with their endpoint. */
const affinitySizeMax = 65_535;

const protocolAndPort = 'meta l4proto . th dport';

/** `ip` or `ip6`. */
function header(family: Family): string {
  return family === '4' ? 'ip' : 'ip6';
}

/** Which family an address or range is of. */
export function familyOf(address: string): Family {
  return address.includes(':') ? '6' : '4';
}

function isNodePort(scope: Scope): boolean {
  return scope === 'node-ports' || scope === 'inside-node-ports';
}

/** One transaction that makes the empty table, in place of one that may be there. */
export function emptyTable(options: ServiceTableOptions): string {
  const { table } = options;
  const body = [
    ...families.flatMap((family) => sets(family, options)),
    'map remembered { type mark : verdict; }',
    ...chain(
      'services',
      families.flatMap((family) => serviceRules(family, options)),
    ),
    ...chain('prerouting', ['type nat hook prerouting priority dstnat; policy accept;', 'jump services']),
    ...chain('output', ['type nat hook output priority -100; policy accept;', 'jump services']),
    ...chain('postrouting', [
      'type nat hook postrouting priority srcnat; policy accept;',
      `meta mark and ${masqueradeBit} == ${masqueradeBit} meta mark set 0 masquerade`,
      ...families.flatMap((family) => masqueradeRules(family, options)),
    ]),
    // The second rule keeps connections tracked when no other needs it: else those that were led somewhere hang.
    ...chain('remember', [
      'type filter hook postrouting priority 101; policy accept;',
      'ct state new ct mark vmap @remembered',
      'ct state established accept',
    ]),
    ...chain('guard', [
      'type filter hook prerouting priority -110; policy accept;',
      ...families.flatMap((family) => guardRules(family)),
    ]),
    ...chain(
      'refuse',
      families.flatMap((family) => refuseRules(family, options)),
    ),
    ...['input', 'forward', 'output'].flatMap((hook) =>
      chain(`refuse-${hook}`, [`type filter hook ${hook} priority 0; policy accept;`, 'ct state new jump refuse']),
    ),
  ];
  return `table ${table}\ndelete table ${table}\ntable ${table} {\n${body.join('\n')}\n}\n`;
}

function sets(family: Family, { nodePortAddresses }: ServiceTableOptions): readonly string[] {
  const own = nodePortAddresses.filter((address) => familyOf(address) === family);
  const elements = own.length === 0 ? '' : ` elements = { ${own.join(', ')} };`;
  const ip = `ipv${family}_addr`;
  const byPort = 'inet_proto . inet_service';
  const byAddress = `${ip} . ${byPort}`;
  // Types rather than expressions: what nft 1.0.6 reads back of a map to `th dport` it refuses, and of one to `tcp dport` it takes for TCP alone.
  return [
    ...scopes.flatMap((scope) => {
      const key = isNodePort(scope) ? byPort : byAddress;
      return [
        `map ${scope}${family} { type ${key} : verdict; }`,
        `map ${scope}-endpoints${family} { type ${key} . mark : ${ip} . inet_service; }`,
        `map ${scope}-ids${family} { type ${key} : mark; }`,
      ];
    }),
    ...(family === '4'
      ? [`map affinity4 { type ${ip} . mark : ${ip} . inet_service; size ${affinitySizeMax}; flags dynamic,timeout; }`]
      : []),
    `set cluster-ips${family} { type ${ip}; }`,
    `set node-addresses${family} { type ${ip};${elements} }`,
    `set refused${family} { type ${byAddress}; }`,
    `set refused-node-ports${family} { type ${byPort}; }`,
    `set dropped${family} { type ${byAddress}; }`,
    `set dropped-node-ports${family} { type ${byPort}; }`,
    `set guarded${family} { type ${byAddress}; }`,
    `set allowed${family} { type ${byAddress} . ${ip}; flags interval; }`,
    `set hairpins${family} { type ${ip} . ${ip}; }`,
  ];
}

function chain(name: string, rules: readonly string[]): readonly string[] {
  return [`chain ${name} {`, ...rules, '}'];
}

function serviceRules(family: Family, options: ServiceTableOptions): readonly string[] {
  const ip = header(family);
  const byAddress = `${ip} daddr . ${protocolAndPort}`;
  const insiders = [...podSources(family, options).map((pods) => `${ip} saddr ${pods}`), 'fib saddr type local'];
  const toNode = `${ip} daddr @node-addresses${family}`;
  return [
    ...insiders.map((from) => `${from} ${byAddress} vmap @inside${family}`),
    `${byAddress} vmap @services${family}`,
    ...insiders.map((from) => `${from} ${toNode} ${protocolAndPort} vmap @inside-node-ports${family}`),
    `${toNode} ${protocolAndPort} vmap @node-ports${family}`,
  ];
}

/** Whom endpoints could not answer past this node, beside those that were marked. */
function masqueradeRules(family: Family, options: ServiceTableOptions): readonly string[] {
  const ip = header(family);
  const loopback = family === '4' ? '127.0.0.0/8' : '::1';
  return [
    ...podSources(family, options).map(
      (pods) => `ct status dnat ct original ${ip} daddr @cluster-ips${family} ${ip} saddr != ${pods} masquerade`,
    ),
    `ct status dnat ${ip} saddr ${loopback} masquerade`,
    `ct status dnat ${ip} saddr . ${ip} daddr @hairpins${family} masquerade`,
  ];
}

/** The ranges of pods as one set; none where there are none of the family. */
function podSources(family: Family, { podRanges }: ServiceTableOptions): readonly string[] {
  const pods = podRanges.filter((range) => familyOf(range) === family);
  return pods.length === 0 ? [] : [`{ ${pods.join(', ')} }`];
}

function guardRules(family: Family): readonly string[] {
  const ip = header(family);
  const byAddress = `${ip} daddr . ${protocolAndPort}`;
  return [`${byAddress} @guarded${family} ${byAddress} . ${ip} saddr != @allowed${family} drop`];
}

function refuseRules(family: Family, { serviceRanges, served = [] }: ServiceTableOptions): readonly string[] {
  const ip = header(family);
  const byAddress = `${ip} daddr . ${protocolAndPort}`;
  const toNode = `${ip} daddr @node-addresses${family}`;
  const ranges = serviceRanges.filter((range) => familyOf(range) === family);
  const own = served.filter((address) => familyOf(address) === family);
  return [
    ...(own.length === 0 ? [] : [`${ip} daddr { ${own.join(', ')} } return`]),
    `${byAddress} @refused${family} reject`,
    `${byAddress} @dropped${family} drop`,
    `${toNode} ${protocolAndPort} @refused-node-ports${family} reject`,
    `${toNode} ${protocolAndPort} @dropped-node-ports${family} drop`,
    `${ip} daddr @cluster-ips${family} reject`,
    ...(ranges.length === 0 ? [] : [`${ip} daddr { ${ranges.join(', ')} } reject`]),
  ];
}

/** How a chain chooses. */
export interface Pick {
  readonly scope: Scope;
  readonly family: Family;
  /** How many there are to choose from. */
  readonly endpoints: number;
  /** Whether a client stays with its endpoint. */
  readonly stays: boolean;
  readonly masquerades: boolean;
}

/** The chain that chooses so. */
export function pickChain({ scope, family, endpoints, stays, masquerades }: Pick): string {
  return `${stays ? 'stay' : 'pick'}-${scope}-${endpoints}-${masquerades ? 'masquerade-' : ''}${family}`;
}

/** The number of an endpoint among those of a key. */
export function endpointMark(slot: number, { masquerades }: Pick): number {
  return masquerades ? slot + masqueradeBit : slot;
}

/** The chain that keeps clients with their endpoint for so long. */
export function rememberChain(seconds: number): string {
  return `remember-${seconds}`;
}

const pickName = /^(pick|stay)-(inside|inside-node-ports|node-ports|services)-(\d+)-(masquerade-)?([46])$/;
const rememberName = /^remember-(\d+)$/;

/** What makes a chain of one of these names; throws for another. */
export function chainCommands(table: string, name: string): readonly string[] {
  const seconds = rememberName.exec(name)?.[1];
  const rules = seconds === undefined ? pickRules(name) : [rememberRule(seconds)];
  return [`add chain ${table} ${name}`, ...rules.map((rule) => `add rule ${table} ${name} ${rule}`)];
}

function rememberRule(seconds: string): string {
  return `update @affinity4 { ct original ip saddr . ct mark timeout ${seconds}s : ip daddr . th dport }`;
}

function pickRules(name: string): readonly string[] {
  const [, kind, scopeName, endpoints, masquerade, familyName] = pickName.exec(name) ?? [];
  const scope = scopes.find((one) => one === scopeName);
  const family = families.find((one) => one === familyName);
  if (scope === undefined || family === undefined)
    throw new Error(`Cannot make the chain ${name} as its name does not say how it chooses`);
  const ip = header(family);
  const key = isNodePort(scope) ? protocolAndPort : `${ip} daddr . ${protocolAndPort}`;
  const base = masquerade === undefined ? 0 : masqueradeBit;
  const lead = `dnat ${ip} to ${key} . meta mark map @${scope}-endpoints${family}`;
  const random = `meta mark set numgen random mod ${endpoints} offset ${base}`;
  if (kind === 'pick') return [random, lead];
  // nft 1.0.6 cannot write rules that put addresses of IPv6 into maps: their clients stay by their address, until the endpoints change.
  if (family === '6') return [`meta mark set jhash ip6 saddr mod ${endpoints} seed 0x43 offset ${base}`, lead];
  return [
    `meta mark set ${base}`,
    `ct mark set ${key} map @${scope}-ids4`,
    'meta l4proto { tcp, udp, sctp } dnat ip to ip saddr . ct mark map @affinity4',
    random,
    lead,
  ];
}
