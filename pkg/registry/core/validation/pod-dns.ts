/** Rules for how a pod resolves names. Source: upstream `validatePodDNSConfig`, KEP-4427. */
import type { PodSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkIp } from '../../validation/ips.ts';

/** What C libraries take of a resolver's configuration. */
const nameserversMax = 3;
const searchesMax = 32;
const searchCharsMax = 2048;

/** Checks `dnsPolicy` and `dnsConfig` of the pod spec at `specPath`. */
export function checkDns(into: Collector, spec: Given<PodSpec>, specPath: FieldPath<PodSpec>): void {
  const policies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
  into.needsOneOf(child(specPath, 'dnsPolicy'), spec.dnsPolicy, policies);
  const config = spec.dnsConfig;
  const path = child(specPath, 'dnsConfig');
  const servers = config?.nameservers ?? [];
  if (spec.dnsPolicy === 'None') {
    if (config === undefined) into.add(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'));
    else if (servers.length === 0) {
      const detail = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      into.add(required(child(path, 'nameservers'), detail));
    }
  }
  if (config === undefined) return;
  if (servers.length > nameserversMax) {
    const detail = `must not have more than ${nameserversMax} nameservers`;
    into.add(invalid(child(path, 'nameservers'), servers, detail));
  }
  for (const [index, ip] of servers.entries()) checkIp(into, ip, at(child(path, 'nameservers'), index));
  checkSearches(into, config.searches ?? [], child(path, 'searches'));
  for (const [index, option] of (config.options ?? []).entries()) {
    if ((option.name ?? '') === '') into.add(required(at(child(path, 'options'), index), 'must not be empty'));
  }
}

function checkSearches(into: Collector, searches: readonly string[], path: FieldPath): void {
  if (searches.length > searchesMax) {
    into.add(invalid(path, searches, `must not have more than ${searchesMax} search paths`));
  }
  if (searches.join(' ').length > searchCharsMax) {
    const detail = `must not have more than ${searchCharsMax} characters (including spaces) in the search list`;
    into.add(invalid(path, searches, detail));
  }
  for (const [index, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.replace(/\.$/, '');
    // Underscores are common in zones that are not the cluster's.
    const problems = dns1123SubdomainProblems(name.replaceAll('_', 'x'));
    into.problems(at(path, index), name, problems);
  }
}
