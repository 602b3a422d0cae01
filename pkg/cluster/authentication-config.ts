/**
 * Publishes by which authority the API server knows its clients, for servers that are reached through it or beside it. Looked at once a minute, as upstream
 * does. Upstream counterpart: apiserver `controlplane/controller/clusterauthenticationtrust`.
 */
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { RequestHeaderSettings } from '#pkg/apiserver/authn/request-header.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** Where it is published, and the authority. */
export interface AuthenticationConfigOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** PEM. */
  readonly clientCa: string;
  /** Proxies that name users in headers, as this server is one for those behind it. Absent: it shows no certificate. */
  readonly requestHeader?: RequestHeaderSettings | undefined;
}

const periodMs = 60_000;
const namespace = 'kube-system';
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

/** Makes the component: it writes the ConfigMap when it is another than it should be. What is refused is logged and tried again. */
export function createAuthenticationConfig({
  client,
  clock,
  log,
  clientCa,
  requestHeader,
}: AuthenticationConfigOptions): Component {
  const wanted: Readonly<Record<string, string>> = {
    'client-ca-file': clientCa,
    ...(requestHeader === undefined ? {} : publishedOf(requestHeader)),
  };
  const resource = client.resource(configMaps);
  const find = async (): Promise<ConfigMap | undefined> => {
    try {
      return await resource.get(name, { namespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => periodMs, signal }, async () => {
        try {
          const there = await find();
          const data = { ...there?.data, ...wanted };
          if (there === undefined) await resource.create({ metadata: { name, namespace }, data });
          else if (Object.entries(wanted).some(([key, value]) => there.data?.[key] !== value))
            await resource.update({ ...there, data });
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot publish the authority of clients', { error });
        }
      }),
  };
}
