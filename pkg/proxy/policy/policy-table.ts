/**
 * The nftables table of a node's network policies: what it has without any policy, and what leads from one state of it to the next. Pure.
 *
 * A pod that policies are about has an element in `ingress4` and the like, which leads to a chain; pods with the same policies share one. The chain has
 * the rules of its policies, which let through by going back, and drops what is left. Addresses and ports are in sets of each policy's rules, so that
 * a pod that comes or goes is an element.
 */
import type { OwnedElements } from '#pkg/network/nft/element-table.ts';

/** The family and name. */
export const policyTable = 'inet coxswain-policies';

/** Who may always. */
export interface PolicyTableOptions {
  /** Addresses of the node's own programs, whose probes no policy keeps from its pods. Source: API documentation, network policies and nodes. */
  readonly nodeSources: readonly string[];
  /** Addresses at which programs of the machine serve all pods: cluster DNS, which is no pod that a policy could name. */
  readonly nodeServices: readonly string[];
}

/** What the table is to have besides. */
export interface PolicyState {
  /** Declarations by name. */
  readonly sets: ReadonlyMap<string, string>;
  /** Rules by name. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly elements: readonly OwnedElements[];
}

/** Nothing besides. */
export const noPolicies: PolicyState = { sets: new Map(), chains: new Map(), elements: [] };

/** One transaction that makes the table without policies, in place of one that may be there. */
export function emptyPolicyTable({ nodeSources, nodeServices }: PolicyTableOptions): string {
  const families = ['4', '6'].map((family) => ({ family, ip: family === '4' ? 'ip' : 'ip6' }));
  const own = (addresses: readonly string[], family: string): string => {
    const list = addresses.filter((address) => address.includes(':') === (family === '6'));
    return list.length === 0 ? '' : ` elements = { ${list.join(', ')} };`;
  };
  const lines = [
    ...families.flatMap(({ family }) => [
      `map ingress${family} { type ipv${family}_addr : verdict; }`,
      `map egress${family} { type ipv${family}_addr : verdict; }`,
      `set self${family} { type ipv${family}_addr . ipv${family}_addr; }`,
      `set node-sources${family} { type ipv${family}_addr;${own(nodeSources, family)} }`,
      `set node-services${family} { type ipv${family}_addr;${own(nodeServices, family)} }`,
    ]),
    'chain forward {',
    'type filter hook forward priority 10; policy accept;',
    'ct state established,related accept',
    ...families.flatMap(({ family, ip }) => [
      `${ip} saddr @node-sources${family} accept`,
      `${ip} daddr @node-services${family} accept`,
      `${ip} saddr . ${ip} daddr @self${family} accept`,
      `${ip} saddr vmap @egress${family}`,
      `${ip} daddr vmap @ingress${family}`,
    ]),
    '}',
  ];
  return `table ${policyTable}\ndelete table ${policyTable}\ntable ${policyTable} {\n${lines.join('\n')}\n}\n`;
}

/** What to tell the kernel, given what changes of the elements. */
export function policyCommands(
  before: PolicyState,
  after: PolicyState,
  elements: readonly string[],
): readonly string[] {
  const same = (a: readonly string[] | undefined, b: readonly string[]): boolean =>
    a !== undefined && a.length === b.length && a.every((rule, index) => rule === b[index]);
  const changed = [...after.chains].filter(([name, rules]) => !same(before.chains.get(name), rules));
  const goneSets = [...before.sets.keys()].filter((name) => !after.sets.has(name));
  return [
    ...[...after.sets]
      .filter(([name]) => !before.sets.has(name))
      .map(([name, declaration]) => `add set ${policyTable} ${name} { ${declaration} }`),
    ...changed.map(([name]) => `add chain ${policyTable} ${name}`),
    ...changed.map(([name]) => `flush chain ${policyTable} ${name}`),
    ...changed.flatMap(([name, rules]) => rules.map((rule) => `add rule ${policyTable} ${name} ${rule}`)),
    ...elements,
    ...[...before.chains.keys()]
      .filter((name) => !after.chains.has(name))
      .map((name) => `delete chain ${policyTable} ${name}`),
    ...goneSets.map((name) => `delete set ${policyTable} ${name}`),
  ];
}
