/**
 * Publishes by which authority the API server knows its clients, for servers that are reached through it or beside it. Looked at once a minute, as upstream
 * does. Upstream counterpart: apiserver `controlplane/controller/clusterauthenticationtrust`.
 */
import type { Component } from '#pkg/component/component.ts';
import { type ConfigMapKeeper, keptConfigMap } from './kept-config-map.ts';

/** Where it is published, and the authority. */
export interface AuthenticationConfigOptions extends ConfigMapKeeper {
  /** PEM. */
  readonly clientCa: string;
  /** PEM of the authority of the certificate that this server shows to servers behind it. Absent: it shows none. */
  readonly frontProxyCa?: string | undefined;
}

const periodMs = 60_000;
const name = 'extension-apiserver-authentication';

/** By which names and in which headers servers behind this one are told who asks. Source: kubeadm's defaults of `--requestheader-*`. */
const requestHeaders: Readonly<Record<string, string>> = {
  'requestheader-allowed-names': '["front-proxy-client"]',
  'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
  'requestheader-group-headers': '["X-Remote-Group"]',
  'requestheader-uid-headers': '["X-Remote-Uid"]',
  'requestheader-username-headers': '["X-Remote-User"]',
};

/** Makes the component: it writes the ConfigMap when it is another than it should be. */
export function createAuthenticationConfig(options: AuthenticationConfigOptions): Component {
  const { clientCa, frontProxyCa } = options;
  const published: Readonly<Record<string, string>> = {
    'client-ca-file': clientCa,
    ...(frontProxyCa === undefined ? {} : { ...requestHeaders, 'requestheader-client-ca-file': frontProxyCa }),
  };
  return keptConfigMap(options, {
    name,
    periodMs,
    wanted: (data) =>
      Object.entries(published).some(([key, value]) => data?.[key] !== value) ? { ...data, ...published } : undefined,
    complaint: 'Cannot publish the authority of clients',
  });
}
