/**
 * Publishes by which authority the API server knows its clients, for servers that are reached through it or beside it. Looked at once a minute, as upstream
 * does. Upstream counterpart: apiserver `controlplane/controller/clusterauthenticationtrust`.
 */
import type { RequestHeaderSettings } from '#pkg/apiserver/authn/request-header.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ConfigMapKeeper, keptConfigMap } from './kept-config-map.ts';

/** Where it is published, and the authority. */
export interface AuthenticationConfigOptions extends ConfigMapKeeper {
  /** PEM. */
  readonly clientCa: string;
  /** Proxies that name users in headers, as this server is one for those behind it. Absent: it shows no certificate. */
  readonly requestHeader?: RequestHeaderSettings | undefined;
}

const periodMs = 60_000;
const name = 'extension-apiserver-authentication';

/** By which names and in which headers servers behind this one are told who asks, as it is told itself. */
function publishedOf(settings: RequestHeaderSettings): Readonly<Record<string, string>> {
  return {
    'requestheader-allowed-names': JSON.stringify(settings.allowedNames),
    'requestheader-client-ca-file': settings.authority,
    'requestheader-extra-headers-prefix': JSON.stringify(settings.extraHeaderPrefixes),
    'requestheader-group-headers': JSON.stringify(settings.groupHeaders),
    'requestheader-uid-headers': JSON.stringify(settings.uidHeaders),
    'requestheader-username-headers': JSON.stringify(settings.usernameHeaders),
  };
}

/** Makes the component: it writes the ConfigMap when it is another than it should be. */
export function createAuthenticationConfig(options: AuthenticationConfigOptions): Component {
  const { clientCa, requestHeader } = options;
  const published: Readonly<Record<string, string>> = {
    'client-ca-file': clientCa,
    ...(requestHeader === undefined ? {} : publishedOf(requestHeader)),
  };
  return keptConfigMap(options, {
    name,
    periodMs,
    wanted: (data) =>
      Object.entries(published).some(([key, value]) => data?.[key] !== value) ? { ...data, ...published } : undefined,
    complaint: 'Cannot publish the authority of clients',
  });
}
