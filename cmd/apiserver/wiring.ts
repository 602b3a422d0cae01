/** Puts the API server together from its flags. */
import { join } from 'node:path';
import { readPair, readPem } from '#cmd/common/connection.ts';
import { descriptorLimit } from '#cmd/common/descriptors.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { apiPart } from '#pkg/cluster/api-part.ts';
import { openStore } from '#pkg/cluster/store.ts';
import { etcdFilesProblem, storeDriverOf } from '#pkg/cluster/stores.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { connectionLimits } from '#pkg/serving/limits.ts';
import type { apiServerFlags } from './options.ts';

/**
 * Opens the store and makes the API server over it, which listens once it runs. Throws `UserError` for files that cannot be read, and what the
 * store says.
 */
export async function wireApiServer(
  values: FlagValues<typeof apiServerFlags>,
  context: ProcessContext,
): Promise<Component> {
  const folder = values['data-dir'];
  const etcd = values['etcd-servers'];
  const storeName = etcd.length > 0 ? etcd.join(',') : values.store;
  if (folder === '' && storeDriverOf(storeName)?.needsFolder === true)
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
  const { clock, random, log } = context;
  const files = {
    etcdCafile: values['etcd-cafile'],
    etcdCertfile: values['etcd-certfile'],
    etcdKeyfile: values['etcd-keyfile'],
  };
  const problem = etcdFilesProblem(storeName, files);
  if (problem !== undefined)
    throw new UserError(`Cannot use --etcd-cafile, --etcd-certfile and --etcd-keyfile: ${problem}`);
  const store = await openStore({
    store: storeName,
    ...files,
    folder,
    clock,
    random,
    log,
  });
  try {
    const api = await apiPart({
      store,
      clock,
      random,
      log,
      serviceCidr: values['service-cluster-ip-range'],
      host: values['bind-address'],
      port: values['secure-port'],
      server,
      clientCa,
      kubeletClient,
      limits: connectionLimits(descriptorLimit()),
    });
    context.health.set('kube-apiserver', api.health);
    log.info('API server answers', { url: api.url });
    return api;
  } catch (error) {
    await store.close();
    throw error;
  }
}
