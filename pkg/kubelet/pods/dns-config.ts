/**
 * How the containers of a pod find names: what its `dnsPolicy` and `dnsConfig` say, over what the node knows. Pure.
 * Source: kubelet `network/dns/dns.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { DnsConfig } from '../runtime/container-config.ts';
import type { NodeNames } from './node-names.ts';

/** Source: kubelet `MaxDNSNameservers`, `MaxDNSSearchPaths`, `MaxDNSSearchListChars`. */
const serversMax = 3;
const searchesMax = 32;
const searchCharactersMax = 2_048;

/** Options of pods that find Services by short names. Source: kubelet `defaultDNSOptions`. */
const clusterOptions: readonly string[] = ['ndots:5'];

/** What was too much is left out, and said. */
export interface PodDns {
  readonly config: DnsConfig;
  /** Texts for an event on the pod. */
  readonly warnings: readonly string[];
}

/** The names of one pod. */
export function podDns(pod: Pod, node: NodeNames): PodDns {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec ?? {};
  const isCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true);
  const base = dnsPolicy === 'None' ? nothing : isCluster ? clusterNames(pod, node) : node.machine;
  const all: DnsConfig = {
    ...base,
    servers: unique([...base.servers, ...(dnsConfig?.nameservers ?? [])]),
    searches: unique([...base.searches, ...(dnsConfig?.searches ?? [])]),
    options: mergedOptions(base.options, dnsConfig?.options ?? []),
  };
  return withinLimits(all);
}

const nothing: DnsConfig = { servers: [], searches: [], options: [] };

function clusterNames({ metadata }: Pod, { servers, ports, domain, machine }: NodeNames): DnsConfig {
  return {
    servers,
    ...(ports === undefined ? {} : { ports }),
    searches: unique([`${metadata?.namespace ?? ''}.svc.${domain}`, `svc.${domain}`, domain, ...machine.searches]),
    options: clusterOptions,
  };
}

/** Those of the pod stand in place of others of their name. */
function mergedOptions(
  base: readonly string[],
  own: readonly { readonly name?: string; readonly value?: string }[],
): readonly string[] {
  const options = new Map(base.map((option) => [option.replace(/:.*/, ''), option]));
  for (const { name = '', value } of own) options.set(name, value === undefined ? name : `${name}:${value}`);
  return [...options.values()];
}

function withinLimits(config: DnsConfig): PodDns {
  const warnings: string[] = [];
  const servers = config.servers.slice(0, serversMax);
  if (servers.length < config.servers.length)
    warnings.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.join(' ')}`,
    );
  let searches = config.searches.slice(0, searchesMax);
  while (searches.join(' ').length > searchCharactersMax) searches = searches.slice(0, -1);
  if (searches.length < config.searches.length)
    warnings.push(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`,
    );
  return { config: { ...config, servers, searches }, warnings };
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
