/** The ranges of addresses that a cluster file names: which there can be on a network, and whether a cluster can have them. */
import { wrongConfig } from '#cmd/common/config-file.ts';
import { formatIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { type ClusterSettings, nodesProblem } from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ClusterFile } from './cluster-file.ts';

/** The fields, by the settings that they are. */
const fields = { podCidr: 'networking.podSubnet', serviceCidr: 'networking.serviceSubnet' } as const;

/** No range has more than a million addresses, as upstream bounds those of Services, or fewer than the pods of a node. */
const prefixes = { least: 12, most: 24 } as const;

/** Where nodes and load balancers of all clusters are. */
const nodePlaces = { loopback: '127.0.0.0/16', kernel: '10.64.0.0/15' } as const;

/** Settings with the ranges of a file. Throws `UserError` for those that cannot be, or that a cluster which has objects does not have. */
export function withRanges(
  settings: ClusterSettings,
  { path, ranges }: Pick<ClusterFile, 'path' | 'ranges'>,
  before: ClusterSettings | undefined,
): ClusterSettings {
  const named = Object.keys(fields).filter((name): name is keyof typeof fields => Object.hasOwn(ranges, name));
  for (const name of named) {
    const problem = rangeProblem(ranges[name] ?? '', settings.network);
    if (problem !== undefined) throw wrongConfig(path, `${fields[name]}: ${problem}`);
    if (before === undefined || before[name] === ranges[name]) continue;
    throw new UserError(
      `Cannot use ${fields[name]} ${ranges[name]} as the addresses of this cluster are of ${before[name]}: leave the field out, give the cluster those with "coxswain up --renumber", or name another one with --name`,
    );
  }
  const result = { ...settings, ...ranges };
  const problem = nodesProblem(result);
  if (problem !== undefined) throw wrongConfig(path, `${fields.podCidr}: ${problem}`);
  return result;
}

function rangeProblem(text: string, network: string): string | undefined {
  const isKernels = networkTable[network]?.kernel !== undefined;
  const range = parseIpv4Range(text);
  const example = isKernels ? '10.200.0.0/16' : '127.200.0.0/16';
  if (range === undefined || text !== `${formatIpv4(range.base)}/${range.prefixBits}`)
    return `must be a range such as ${example}`;
  if (range.prefixBits < prefixes.least || range.prefixBits > prefixes.most)
    return `must be a /${prefixes.least} to a /${prefixes.most}`;
  const first = isKernels ? 10 : 127;
  if (range.base >>> 24 !== first) return `must be of ${first}.0.0.0/8 on the network ${network}`;
  const place = isKernels ? nodePlaces.kernel : nodePlaces.loopback;
  const nodes = parseIpv4Range(place);
  const meets = nodes !== undefined && range.base < nodes.base + nodes.size && nodes.base < range.base + range.size;
  return meets ? `must not have addresses of ${place}, where nodes are` : undefined;
}
