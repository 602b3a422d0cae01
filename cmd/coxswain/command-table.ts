/** The subcommands of `coxswain`. A new one is an entry here; only the one that is asked for is loaded. */
import type { World } from './world.ts';

/** One of them. */
export interface Command {
  readonly summary: string;
  /** What runs it: resolves to its exit code. Throws `UserError`, and what the system says. */
  load(): Promise<(world: World, args: readonly string[]) => Promise<number>>;
}

/** All of them by name, in the order of the help. */
export const commands: Readonly<Record<string, Command>> = {
  up: { summary: 'Start a cluster, or say that it runs.', load: async () => (await import('./up.ts')).up },
  down: { summary: 'Stop a cluster; its data stays.', load: async () => (await import('./down.ts')).down },
  status: {
    summary: 'Show what runs and whether it is healthy.',
    load: async () => (await import('./status.ts')).status,
  },
  list: {
    summary: 'Show the clusters of this machine’s user.',
    load: async () => (await import('./list.ts')).list,
  },
  node: {
    summary: 'List, add, drain and remove nodes while a cluster runs.',
    load: async () => (await import('./node.ts')).node,
  },
  pause: {
    summary: 'Stop all processes of a cluster where they are.',
    load: async () => (await import('./pause.ts')).pause,
  },
  unpause: {
    summary: 'Let a cluster that is paused go on.',
    load: async () => (await import('./pause.ts')).unpause,
  },
  logs: {
    summary: 'Show the logs of a cluster, or export all that a report of a fault needs.',
    load: async () => (await import('./logs.ts')).logs,
  },
  config: {
    summary: 'Print a cluster, or what a file means, as a cluster file.',
    load: async () => (await import('./config.ts')).config,
  },
  kubeconfig: {
    summary: 'Print the kubeconfig of a cluster.',
    load: async () => (await import('./kubeconfig.ts')).kubeconfig,
  },
  dashboard: {
    summary: 'Look at a cluster in a browser.',
    load: async () => (await import('./dashboard.ts')).dashboard,
  },
  doctor: {
    summary: 'Look at what this machine can and cannot do.',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  kubectl: {
    summary: 'kubectl, for machines without it.',
    load: async () => (await import('./kubectl.ts')).kubectlCommand,
  },
  snapshot: {
    summary: 'Save a cluster’s data to a file, or restore it.',
    load: async () => (await import('./snapshot.ts')).snapshot,
  },
  upgrade: {
    summary: 'Bring the data of a stopped cluster to this version.',
    load: async () => (await import('./upgrade.ts')).upgrade,
  },
  explain: {
    summary: 'Say why a pod is where it is, or nowhere.',
    load: async () => (await import('./explain.ts')).explainPod,
  },
  simulate: {
    summary: 'Say where pods would go, without touching the cluster.',
    load: async () => (await import('./simulate.ts')).simulate,
  },
  record: {
    summary: 'Write every change of a cluster with its time.',
    load: async () => (await import('./record.ts')).record,
  },
  replay: {
    summary: 'Play a recording, a dump or an audit log again on virtual time, and compare runs.',
    load: async () => (await import('./replay.ts')).replay,
  },
  rebalance: {
    summary: 'Find, or make, evictions that leave nodes empty.',
    load: async () => (await import('./rebalance.ts')).rebalance,
  },
  faults: {
    summary: 'Add, list and remove faults that requests to a cluster meet.',
    load: async () => (await import('./faults.ts')).faults,
  },
  time: {
    summary: 'Look at the time of a cluster on virtual time, and steer it.',
    load: async () => (await import('./time.ts')).time,
  },
  addon: {
    summary: 'List, enable and disable what can be added to a cluster.',
    load: async () => (await import('./addon.ts')).addon,
  },
  image: {
    summary: 'Get, list and remove the images that nodes have.',
    load: async () => (await import('./image.ts')).image,
  },
  'docker-socket': {
    summary: 'Answer Docker’s API on a socket, without a daemon of Docker’s.',
    load: async () => (await import('./docker-socket.ts')).dockerSocket,
  },
  token: {
    summary: 'Make, list and delete the tokens by which other machines join a cluster.',
    load: async () => (await import('./token.ts')).token,
  },
  join: {
    summary: 'Join a cluster of another machine, and run as a node of it.',
    load: async () => (await import('./join.ts')).joinCommand,
  },
  leave: {
    summary: 'Take away all that a cluster which was joined has made of this machine.',
    load: async () => (await import('./leave.ts')).leave,
  },
  pipeline: {
    summary: 'From a push to production: a Git server and the runs of pipelines.',
    load: async () => (await import('./pipeline.ts')).pipeline,
  },
  vm: {
    summary: 'List, start, stop and look at virtual machines.',
    load: async () => (await import('./vm.ts')).vm,
  },
  envtest: {
    summary: 'Make stand-ins for the binaries that envtest suites start.',
    load: async () => (await import('./envtest.ts')).envtest,
  },
  completion: {
    summary: 'Print a script by which a shell completes what is typed.',
    load: async () => (await import('./completion.ts')).completionOf(commands),
  },
  version: { summary: 'Print the version.', load: async () => (await import('./version.ts')).version },
};
