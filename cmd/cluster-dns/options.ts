/** The flags of cluster-dns. */
import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { clusterDomain } from '#pkg/cluster/settings.ts';
import { type FlagTable, text } from '#pkg/component/flags.ts';

/** The table: each flag with its help, default and limits. */
export const dnsFlags = {
  ...kubeconfigFlag,
  address: text({
    help: 'Cluster IP of the Service kube-dns, at which the server listens.',
    fallback: '127.96.0.10',
    placeholder: 'address',
  }),
  'cluster-domain': text({
    help: 'The domain of the cluster.',
    fallback: clusterDomain,
    placeholder: 'domain',
  }),
  'resolv-conf': text({
    help: 'File that says whom to ask about all other names; empty for nobody.',
    fallback: '/etc/resolv.conf',
    placeholder: 'file',
  }),
} satisfies FlagTable;
