/** The addons that there are. A new one is a folder with its `AddonParts` and an entry here; nothing else names it. */
import type { AddonTable, BuiltInPart } from './addon.ts';

/** By the name that `coxswain addon` gives them. */
export const addonTable: AddonTable = {
  gateway: {
    summary: 'Ingress and Gateway API: a reverse proxy with its own GatewayClass and IngressClass.',
    load: async () => (await import('./gateway/addon.ts')).gatewayAddon,
  },
  logs: {
    summary: 'A collector that keeps what containers write, also after their pods are gone, and finds lines in it.',
    load: async () => (await import('./logs/addon.ts')).logsAddon,
  },
  pipeline: {
    summary: 'A Git server, and what is pushed to it on its way to production: builds, tests, staging, roll-back.',
    load: async () => (await import('./pipeline/addon.ts')).pipelineAddon,
  },
  prometheus: {
    summary: 'Prometheus of this machine, configured for the cluster, with rules and a dashboard for Grafana.',
    load: async () => (await import('./prometheus/addon.ts')).prometheusAddon,
  },
};

/** What minikube and others have as addons, and a cluster here has without one. */
export const builtInParts: Readonly<Record<string, BuiltInPart>> = {
  dns: { summary: 'Names of Services and pods.', how: 'in every cluster' },
  'load-balancer': {
    summary: 'Addresses for Services of type LoadBalancer, of a pool of the cluster.',
    how: 'in every cluster with --network bridge or cni',
  },
  metrics: { summary: 'metrics.k8s.io, for kubectl top and autoscalers.', how: 'in every cluster' },
  registry: { summary: 'A registry for development.', how: 'run "coxswain image registry"' },
  storage: { summary: 'A default StorageClass, whose volumes are folders of a node.', how: 'in every cluster' },
};
