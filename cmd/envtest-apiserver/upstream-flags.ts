/**
 * Flags of upstream's kube-apiserver that the one here has not: those that say how it is to run rather than what it does, which a suite may pass
 * without a difference that it could see, and those that would make a difference, which are refused. Source: kube-apiserver `--help`, 1.36.
 */
import { type FlagTable, text, toggle } from '#pkg/component/flags.ts';

const switches: readonly string[] = [
  'allow-privileged',
  'contention-profiling',
  'enable-garbage-collector',
  'enable-logs-handler',
  'profiling',
  'watch-cache',
];

const values: readonly string[] = [
  'apiserver-count',
  'cors-allowed-origins',
  'debug-socket-path',
  'default-watch-cache-size',
  'delete-collection-workers',
  'emulated-version',
  'endpoint-reconciler-type',
  'etcd-compaction-interval',
  'etcd-count-metric-poll-period',
  'etcd-db-metric-poll-interval',
  'etcd-healthcheck-timeout',
  'etcd-readycheck-timeout',
  'event-ttl',
  'external-hostname',
  'goaway-chance',
  'http2-max-streams-per-connection',
  'kubelet-preferred-address-types',
  'kubelet-timeout',
  'lease-reuse-duration-seconds',
  'livez-grace-period',
  'log-flush-frequency',
  'logging-format',
  'max-connection-bytes-per-sec',
  'min-request-timeout',
  'request-timeout',
  'service-node-port-range',
  'shutdown-delay-duration',
  'storage-backend',
  'storage-media-type',
  'strict-transport-security-directives',
  'tls-cipher-suites',
  'tls-min-version',
  'vmodule',
  'watch-cache-sizes',
];

/** Taken, and then nothing follows from them. */
export const flagsWithoutEffect: FlagTable = {
  ...Object.fromEntries(switches.map((name) => [name, toggle({ help: 'Taken without effect.' })])),
  ...Object.fromEntries(values.map((name) => [name, text({ help: 'Taken without effect.' })])),
  v: text({ help: 'Taken without effect.', short: 'v' }),
};

/** What would be otherwise with them, so that to go on without would be to do something else than was asked. */
export const flagsRefused: readonly string[] = [
  'egress-selector-config-file',
  'enable-bootstrap-token-auth',
  'etcd-prefix',
  'etcd-servers-overrides',
  'kubelet-certificate-authority',
  'oidc-ca-file',
  'oidc-client-id',
  'oidc-groups-claim',
  'oidc-groups-prefix',
  'oidc-issuer-url',
  'oidc-required-claim',
  'oidc-signing-algs',
  'oidc-username-claim',
  'oidc-username-prefix',
  'peer-ca-file',
  'service-account-jwks-uri',
  'service-account-signing-endpoint',
  'tls-sni-cert-key',
  'tracing-config-file',
];
