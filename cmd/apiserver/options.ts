/** The flags of the API server, under upstream's names where there are such. */

import { requestHeaderDefaults } from '#pkg/apiserver/authn/request-header.ts';
import { serverFlags } from '#pkg/cluster/server-flags.ts';
import { serviceRangesProblem } from '#pkg/cluster/service-ranges.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { storeDriverOf, storeNames } from '#pkg/cluster/stores.ts';
import { duration, type FlagTable, integer, list, text, toggle } from '#pkg/component/flags.ts';

/** The table: each flag with its help, default and limits. */
export const apiServerFlags = {
  'bind-address': text({ help: 'Address to listen on.', fallback: '127.0.0.1', placeholder: 'address' }),
  'advertise-address': text({
    help: 'Address at which the cluster finds this server. Default: --bind-address, or the address of the machine where that is 0.0.0.0.',
    placeholder: 'address',
  }),
  'secure-port': integer({
    help: 'Port to listen on with HTTPS; 0 takes any free one.',
    fallback: defaultSettings.apiPort,
    max: 65_535,
  }),
  'data-dir': text({
    help: 'Folder of the data; store/ and pki/ in it are the defaults of the flags below.',
    placeholder: 'folder',
  }),
  store: text({
    help: 'Where data is kept: lmdb (in the data folder), memory, or addresses of etcd members.',
    fallback: 'lmdb',
    placeholder: storeNames(),
    problem: (value) =>
      storeDriverOf(value) === undefined ? `must be one of ${storeNames().replaceAll('|', ', ')}` : undefined,
  }),
  'etcd-servers': list({ help: 'Addresses of etcd members, in place of --store.', placeholder: 'URL,URL' }),
  'etcd-cafile': text({ help: 'Authority of the etcd members. Default: those that Node trusts.', placeholder: 'file' }),
  'etcd-certfile': text({ help: 'Certificate to show to etcd.', placeholder: 'file' }),
  'etcd-keyfile': text({ help: 'Its key.', placeholder: 'file' }),
  'etcd-username': text({ help: 'User of an etcd that has users.', placeholder: 'name' }),
  'etcd-password-file': text({ help: 'File with its password.', placeholder: 'file' }),
  'tls-cert-file': text({ help: 'Certificate to show to clients. Default: pki/apiserver.crt.', placeholder: 'file' }),
  'tls-private-key-file': text({ help: 'Its key. Default: pki/apiserver.key.', placeholder: 'file' }),
  'client-ca-file': text({ help: 'Authority of client certificates. Default: pki/ca.crt.', placeholder: 'file' }),
  'kubelet-client-certificate': text({
    help: 'Certificate to show to kubelets. Default: pki/kubelet-client.crt.',
    placeholder: 'file',
  }),
  'kubelet-client-key': text({ help: 'Its key. Default: pki/kubelet-client.key.', placeholder: 'file' }),
  'proxy-client-cert-file': text({
    help: 'Certificate to show to aggregated API servers. Default: pki/front-proxy-client.crt, if it is there.',
    placeholder: 'file',
  }),
  'proxy-client-key-file': text({ help: 'Its key. Default: pki/front-proxy-client.key.', placeholder: 'file' }),
  'requestheader-client-ca-file': text({
    help: 'Authority of that certificate, published for them, and of proxies that name users in headers. Default: pki/front-proxy-ca.crt.',
    placeholder: 'file',
  }),
  'requestheader-allowed-names': list({
    help: 'Common names of the certificates of such proxies.',
    fallback: requestHeaderDefaults.allowedNames,
    placeholder: 'name,name',
  }),
  'requestheader-username-headers': list({
    help: 'Headers in which they name the user.',
    fallback: requestHeaderDefaults.usernameHeaders,
    placeholder: 'header,header',
  }),
  'requestheader-uid-headers': list({
    help: 'Headers with the UID.',
    fallback: requestHeaderDefaults.uidHeaders,
    placeholder: 'header,header',
  }),
  'requestheader-group-headers': list({
    help: 'Headers with the groups.',
    fallback: requestHeaderDefaults.groupHeaders,
    placeholder: 'header,header',
  }),
  'requestheader-extra-headers-prefix': list({
    help: 'What headers begin with that say more of the user.',
    fallback: requestHeaderDefaults.extraHeaderPrefixes,
    placeholder: 'prefix,prefix',
  }),
  'service-cluster-ip-range': text({
    help: 'Range of the cluster IPs of Services, or one of each family, the primary one first.',
    fallback: defaultSettings.serviceCidr,
    placeholder: 'CIDR,CIDR',
    problem: serviceRangesProblem,
  }),
  'authorization-mode': list({
    help: 'Who decides what users may do, in order.',
    fallback: ['Node', 'RBAC'],
    placeholder: 'Node,RBAC,AlwaysAllow',
  }),
  'authorization-webhook-config-file': text({
    help: 'Kubeconfig with the server that decides, for the mode Webhook.',
    placeholder: 'file',
  }),
  'authorization-webhook-version': text({ help: 'Version of the reviews that it gets.', fallback: 'v1beta1' }),
  'authorization-webhook-cache-authorized-ttl': duration({
    help: 'How long what it allows counts.',
    fallback: 300_000,
  }),
  'authorization-webhook-cache-unauthorized-ttl': duration({ help: 'How long its refusals count.', fallback: 30_000 }),
  'authentication-token-webhook-config-file': text({
    help: 'Kubeconfig with a server that knows tokens.',
    placeholder: 'file',
  }),
  'authentication-token-webhook-version': text({ help: 'Version of the reviews that it gets.', fallback: 'v1beta1' }),
  'authentication-token-webhook-cache-ttl': duration({ help: 'How long its answers count.', fallback: 120_000 }),
  'anonymous-auth': toggle({ help: 'Lets requests without credentials in, as system:anonymous.', fallback: true }),
  'token-auth-file': text({ help: 'Users by token: lines of token,user,uid,"group,group".', placeholder: 'file' }),
  'service-account-signing-key-file': text({
    help: 'Private key that signs tokens of service accounts. Default: pki/sa.key.',
    placeholder: 'file',
  }),
  'service-account-key-file': text({
    help: 'Public key, of an earlier signing key, whose tokens still count.',
    placeholder: 'file',
  }),
  'service-account-issuer': text({
    help: 'URL by which tokens of service accounts name their issuer.',
    fallback: 'https://kubernetes.default.svc.cluster.local',
    placeholder: 'URL',
  }),
  'api-audiences': list({ help: 'Audiences that are this API. Default: the issuer.', placeholder: 'name,name' }),
  ...serverFlags,
} satisfies FlagTable;
