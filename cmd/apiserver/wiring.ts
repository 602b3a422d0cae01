/** Puts the API server together from its flags. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readPair, readPem } from '#cmd/common/connection.ts';
import { descriptorLimit } from '#cmd/common/descriptors.ts';
import { machineAddress } from '#cmd/common/machine-address.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { processMetrics } from '#cmd/common/process-metrics.ts';
import { parseTokenFile } from '#pkg/apiserver/authn/token-file.ts';
import { usable } from '#pkg/cluster/access-files.ts';
import { type ApiPart, type ApiPartOptions, apiPart } from '#pkg/cluster/api-part.ts';
import type { AuthenticationSettings } from '#pkg/cluster/authentication.ts';
import type { EtcdFiles } from '#pkg/cluster/etcd-files.ts';
import { grantsOf } from '#pkg/cluster/grants.ts';
import { encryptionOf } from '#pkg/cluster/server-flags.ts';
import { openStore } from '#pkg/cluster/store.ts';
import { etcdFilesProblem, storeDriverOf } from '#pkg/cluster/stores.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { signingKey, verifyingKey } from '#pkg/pki/jwt.ts';
import { connectionLimits } from '#pkg/serving/limits.ts';
import type { Store } from '#pkg/storage/store.ts';
import { readAuthorizers, readUsersElsewhere } from './access.ts';
import type { apiServerFlags } from './options.ts';

/**
 * Opens the store and makes the API server over it, which answers from then on. Throws `UserError` for files that cannot be read, and what the
 * store says.
 */
export async function wireApiServer(
  values: FlagValues<typeof apiServerFlags>,
  context: ProcessContext,
  { openOwn = openStoreOf }: { readonly openOwn?: OpenStore } = {},
): Promise<ApiPart> {
  const folder = values['data-dir'];
  if (folder === '' && storeDriverOf(storeNameIn(values))?.needsFolder === true)
    throw new UserError('the flag --data-dir is required, unless --etcd-servers or --store=memory is given');
  const file = (given: string, name: string): string =>
    given !== '' || folder === '' ? given : join(folder, 'pki', name);
  const server = await readPair(
    { certificate: 'tls-cert-file', key: 'tls-private-key-file' },
    {
      certificate: file(values['tls-cert-file'], 'apiserver.crt'),
      key: file(values['tls-private-key-file'], 'apiserver.key'),
    },
  );
  const kubeletClient = await readPair(
    { certificate: 'kubelet-client-certificate', key: 'kubelet-client-key' },
    {
      certificate: file(values['kubelet-client-certificate'], 'kubelet-client.crt'),
      key: file(values['kubelet-client-key'], 'kubelet-client.key'),
    },
  );
  const clientCa = await readPem('client-ca-file', file(values['client-ca-file'], 'ca.crt'));
  const frontProxy = await readFrontProxy(values, file);
  const { clock, random, log } = context;
  const store = await openOwn(values, context);
  try {
    if (folder === '' && values['service-account-signing-key-file'] === '')
      log.warn('Tokens of service accounts count at this server alone and end with it, as no signing key is given');
    const authentication = await readAuthentication(values, file(values['service-account-signing-key-file'], 'sa.key'));
    const api = await apiPart({
      store,
      clock,
      random,
      log,
      serviceCidr: values['service-cluster-ip-range'],
      host: values['bind-address'],
      advertised: advertisedOf(values),
      port: values['secure-port'],
      server,
      clientCa,
      kubeletClient,
      ...(frontProxy === undefined ? {} : { frontProxy }),
      ...(await readRequestHeader(values, frontProxy)),
      authentication,
      authorizationModes: await readAuthorizers(values),
      grants: await grantsOf(clusterTables),
      flags: values,
      ...processOf(values, clock.nowMs()),
    });
    context.health.set('kube-apiserver', api.health);
    log.info('API server answers', { url: api.url });
    return api;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Opens the store of a server, before anything else of it is made. */
type OpenStore = (values: FlagValues<typeof apiServerFlags>, context: ProcessContext) => Promise<Store>;

function storeNameIn(values: FlagValues<typeof apiServerFlags>): string {
  const etcd = values['etcd-servers'];
  return etcd.length > 0 ? etcd.join(',') : values.store;
}

/** The store that the flags name. Throws `UserError` for flags that do not fit together, and what the store says. */
export const openStoreOf: OpenStore = (values, { clock, random, log }) => {
  const store = storeNameIn(values);
  const folder = values['data-dir'];
  return openStore({
    store,
    ...etcdFilesIn(values, store),
    folder,
    clock,
    random,
    log,
    encryption: encryptionOf(values),
  });
};

/** Upstream takes the machine's own address too where a server listens at every one. */
function advertisedOf(values: FlagValues<typeof apiServerFlags>): string {
  return machineAddress(values['advertise-address'] || values['bind-address']);
}

/** What aggregated API servers are shown; undefined where there is nothing to show. */
async function readFrontProxy(
  values: FlagValues<typeof apiServerFlags>,
  file: (given: string, name: string) => string,
): Promise<ApiPartOptions['frontProxy']> {
  const certificate = file(values['proxy-client-cert-file'], 'front-proxy-client.crt');
  if (values['proxy-client-cert-file'] === '' && (certificate === '' || !existsSync(certificate))) return undefined;
  const key = file(values['proxy-client-key-file'], 'front-proxy-client.key');
  const client = await readPair(
    { certificate: 'proxy-client-cert-file', key: 'proxy-client-key-file' },
    { certificate, key },
  );
  const authority = file(values['requestheader-client-ca-file'], 'front-proxy-ca.crt');
  return { client, authority: await readPem('requestheader-client-ca-file', authority) };
}

/** Proxies that name users: those of the flag's authority, else of that of the certificate that this server shows itself. */
async function readRequestHeader(
  values: FlagValues<typeof apiServerFlags>,
  frontProxy: ApiPartOptions['frontProxy'],
): Promise<Pick<ApiPartOptions, 'requestHeader'>> {
  const file = values['requestheader-client-ca-file'];
  const authority = file === '' ? frontProxy?.authority : await readPem('requestheader-client-ca-file', file);
  if (authority === undefined) return {};
  return {
    requestHeader: {
      authority,
      allowedNames: values['requestheader-allowed-names'],
      usernameHeaders: values['requestheader-username-headers'],
      uidHeaders: values['requestheader-uid-headers'],
      groupHeaders: values['requestheader-group-headers'],
      extraHeaderPrefixes: values['requestheader-extra-headers-prefix'],
    },
  };
}

/** What the etcd of `store` is reached with. */
function etcdFilesIn(values: FlagValues<typeof apiServerFlags>, store: string): EtcdFiles {
  const files = {
    etcdCafile: values['etcd-cafile'],
    etcdCertfile: values['etcd-certfile'],
    etcdKeyfile: values['etcd-keyfile'],
    etcdUsername: values['etcd-username'],
    etcdPasswordFile: values['etcd-password-file'],
  };
  const problem = etcdFilesProblem(store, files);
  if (problem !== undefined) throw new UserError(`Cannot use the flags --etcd-* as given: ${problem}`);
  return files;
}

async function readAuthentication(
  values: FlagValues<typeof apiServerFlags>,
  signingKeyFile: string,
): Promise<AuthenticationSettings> {
  const read = async (flag: 'service-account-key-file' | 'token-auth-file'): Promise<string | undefined> =>
    values[flag] === '' ? undefined : readPem(flag, values[flag]);
  const [tokens, publicKey] = await Promise.all([read('token-auth-file'), read('service-account-key-file')]);
  const signingKey =
    signingKeyFile === '' ? undefined : await readPem('service-account-signing-key-file', signingKeyFile);
  const audiences = values['api-audiences'];
  return {
    ...(await readUsersElsewhere(values)),
    allowsAnonymous: values['anonymous-auth'],
    serviceAccountIssuer: values['service-account-issuer'],
    ...(signingKey === undefined
      ? {}
      : { serviceAccountKey: usable('service-account-signing-key-file', signingKey, signingKeyOf) }),
    ...(publicKey === undefined
      ? {}
      : { serviceAccountKeys: [usable('service-account-key-file', publicKey, verifyingKeyOf)] }),
    ...(audiences.length === 0 ? {} : { apiAudiences: audiences }),
    ...(tokens === undefined ? {} : { tokenFile: usable('token-auth-file', tokens, parseTokenFile) }),
  };
}

function signingKeyOf(pem: string): string {
  signingKey(pem);
  return pem;
}

function verifyingKeyOf(pem: string): string {
  verifyingKey(pem);
  return pem;
}

/** What the process is, uses and may use. */
function processOf(
  flags: FlagValues<typeof apiServerFlags>,
  startedMs: number,
): Pick<ApiPartOptions, 'limits' | 'process'> {
  return {
    limits: connectionLimits(descriptorLimit()),
    process: { processMetrics, about: { name: 'kube-apiserver', startedMs, flags } },
  };
}
