/**
 * The command line of the kube-apiserver stand-in: upstream's flags, with upstream's defaults where the API server of a cluster has others of its
 * own. Those of the store and the data folder are not among them, as the `etcd` stand-in has both.
 */
import { apiServerFlags } from '#cmd/apiserver/options.ts';
import { type FlagTable, type FlagValues, list, parseFlags, text } from '#pkg/component/flags.ts';
import { flagsRefused, flagsWithoutEffect } from './upstream-flags.ts';

const { 'data-dir': _folder, store: _store, ...shared } = apiServerFlags;

const ownFlags = {
  'cert-dir': text({
    help: 'Folder of apiserver.crt and apiserver.key, which are made where they are missing.',
    fallback: '/var/run/kubernetes',
    placeholder: 'folder',
  }),
  'bind-address': text({ help: 'Address to listen on.', fallback: '0.0.0.0', placeholder: 'address' }),
  'service-cluster-ip-range': text({
    help: 'Range of the cluster IPs of Services, or one of each family, the primary one first.',
    fallback: '10.0.0.0/24',
    placeholder: 'CIDR,CIDR',
  }),
  'authorization-mode': list({
    help: 'Who decides what users may do, in order.',
    fallback: ['AlwaysAllow'],
    placeholder: 'Node,RBAC,AlwaysAllow',
  }),
  // Upstream takes several; tokens are issued in the name of the first.
  'service-account-issuer': list({
    help: 'URL by which tokens of service accounts name their issuer.',
    placeholder: 'URL',
  }),
} satisfies FlagTable;

/** The table. */
export const standInFlags = { ...flagsWithoutEffect, ...shared, ...ownFlags };

/** The values of the table. */
export type StandInValues = FlagValues<Omit<typeof shared, keyof typeof ownFlags> & typeof ownFlags>;

/** What came of reading the arguments; a refusal is one line. */
export type StandInArguments =
  | { readonly kind: 'run'; readonly values: StandInValues }
  | { readonly kind: 'help' }
  | { readonly kind: 'refused'; readonly message: string };

/** Reads the arguments of the program. */
export function standInArguments(args: readonly string[]): StandInArguments {
  const refused = (message: string): StandInArguments => ({ kind: 'refused', message });
  const parsed = parseFlags(standInFlags, args);
  if (!parsed.ok) {
    const name = parsed.problem?.kind === 'unknown' ? parsed.problem.written.replace(/^--/, '') : '';
    if (!flagsRefused.includes(name)) return refused(parsed.message);
    return refused(`the flag --${name} is upstream's and not built here`);
  }
  if (parsed.help) return { kind: 'help' };
  if (parsed.rest.length > 0) return refused(`unexpected argument: ${parsed.rest[0]}`);
  const { values } = parsed;
  if (values['etcd-servers'].length === 0) return refused('--etcd-servers must be specified');
  return { kind: 'run', values };
}
