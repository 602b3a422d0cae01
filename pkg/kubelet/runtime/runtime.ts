/**
 * What the kubelet asks of whatever runs containers, in the shape of the Container Runtime Interface: sandboxes, containers,
 * images, and a `capabilities` value so that callers branch on data and not on names. `conformance.ts` holds every runtime to
 * the laws below.
 *
 * Laws:
 * 1. Ids are unique for the life of the runtime. A container goes `created -> running -> exited`, never back.
 * 2. `onExit` listeners are called once for each container that was running, after `status` shows it as exited, however it ended.
 * 3. `stop` is graceful: the program is asked to end and is killed after `graceMs`; it resolves once the container has exited. Called
 *    again, the earliest deadline counts. `graceMs` 0 kills at once.
 * 4. `stop` and `remove` of what has already stopped or gone do nothing. Removing a sandbox removes its containers, logs included.
 * 5. What cannot be done rejects with `RuntimeError`, whose message is fit for an event.
 * 6. Returned values are snapshots: they do not change later.
 *
 * Source: `k8s.io/cri-api` `runtime/v1`.
 */
import type { ContainerConfig, ContainerResources, SandboxConfig } from './container-config.ts';
import type { ProbeTransport } from './probe-transport.ts';
import type { StreamingService } from './streams.ts';

/** One thing that a runtime can or cannot do; `requirements.ts` says which wishes need which. */
export type RuntimeFeature =
  // Streams.
  | 'attach'
  | 'exec'
  | 'execStdin'
  | 'portForward'
  | 'stdin'
  | 'tty'
  // Users and rights.
  | 'appArmor'
  | 'capabilities'
  | 'groups'
  | 'noNewPrivileges'
  | 'privileged'
  | 'procMount'
  | 'readOnlyRoot'
  | 'runAsUser'
  | 'seccomp'
  | 'selinux'
  // Namespaces. Without `containerPid` all processes see each other, as who asks for the pod's or the node's may expect.
  | 'containerPid'
  // Pods on the node's network are where other programs of the node are.
  | 'hostNetwork'
  | 'sysctls'
  | 'userNamespaces'
  // Files and devices. Without `files` containers read none, so volumes need no contents and no tokens.
  | 'cdi'
  | 'devices'
  | 'files'
  | 'imageVolumes'
  | 'mountPropagation'
  | 'recursiveReadOnly'
  // Limits that are kept. A container beyond its memory limit ends with reason `OOMKilled`. `bandwidth`: whatever the pod's network does.
  | 'bandwidth'
  | 'blockIo'
  | 'cpuLimits'
  | 'cpusets'
  | 'hugepages'
  | 'memoryLimits'
  | 'oomScore'
  | 'pidLimits'
  // Others.
  | 'stopSignal'
  | 'update';

/** What a runtime can do. */
export interface RuntimeCapabilities {
  /** Scheme of container ids (`inprocess://…`) and of the node's `containerRuntimeVersion`. */
  readonly name: string;
  readonly version: string;
  readonly features: ReadonlySet<RuntimeFeature>;
  /** Ways of its own to run a sandbox, by the names that `SandboxConfig.runtimeHandler` may have. Absent: there is but one. */
  readonly handlers?: ReadonlySet<string>;
  /** Without `runAsUser` or `groups`: who all containers are. */
  readonly identity?: { readonly uid: number; readonly gid: number };
}

/** Why a call failed, as far as callers act on it. */
export type RuntimeErrorReason = 'notFound' | 'unsupported' | 'invalidImage' | 'imageNotFound' | 'failed';

/** A runtime could not do what it was asked. */
export class RuntimeError extends Error {
  readonly reason: RuntimeErrorReason;

  constructor(reason: RuntimeErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RuntimeError';
    this.reason = reason;
  }
}

/** What surrounds the containers of a pod, as the runtime has it. */
export interface Sandbox {
  readonly id: string;
  readonly config: SandboxConfig;
  readonly state: 'ready' | 'notReady';
  readonly createdAtMs: number;
  /** Path of its network namespace, for networks that put something into it; absent where pods share the node's. */
  readonly networkNamespace?: string;
}

/** How far a container has come. */
export type ContainerRunState = 'created' | 'running' | 'exited';

/** A container, as the runtime has it. */
export interface RuntimeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly name: string;
  readonly attempt: number;
  readonly image: string;
  readonly imageRef: string;
  readonly specHash: string;
  /** As they are in force. */
  readonly resources: ContainerResources;
  readonly state: ContainerRunState;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly exitCode?: number;
  /** Such as `Completed`, `Error`, `OOMKilled`. */
  readonly reason?: string;
  /** The termination message, at most 4 KiB. */
  readonly message?: string;
}

/** A line of output, or a piece of a long one. */
export interface LogLine {
  readonly timeMs: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without its newline. */
  readonly text: string;
  /** No newline follows: more of the line comes next, or the container ended in the middle of it. */
  readonly partial?: true;
}

/** Which lines. */
export interface LogOptions {
  /** Goes on until the container ends or `signal` is aborted. */
  readonly follow?: boolean;
  /** Only the last lines of what is there; absent for all. */
  readonly tailLines?: number;
  /** Only lines at or after this time. */
  readonly sinceMs?: number;
  readonly signal?: AbortSignal;
}

/** What a command has come to; output beyond the runtime's limit is cut off. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a container uses; absent is what the runtime does not know. */
export interface ContainerStats {
  readonly memoryBytes: number;
  /** Without what could be given back at once; default all. */
  readonly workingSetBytes?: number;
  /** Processor time used since the start. */
  readonly cpuNanoseconds: number;
  /** Written by it, outside of volumes. */
  readonly filesystemBytes?: number;
  readonly filesystemInodes?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** What else is counted of it since its start, by name. */
  readonly counters?: Readonly<Record<string, number>>;
  /** What else it has now, in bytes, by name. */
  readonly gauges?: Readonly<Record<string, number>>;
}

/** An image that is there. */
export interface ImageInfo {
  /** Identity of the contents, such as `coxswain.dev/echo@sha256:…`. */
  readonly id: string;
  /** Such as `coxswain.dev/echo:v1`. */
  readonly repoTags: readonly string[];
  /** Such as `coxswain.dev/echo@sha256:…`. */
  readonly repoDigests: readonly string[];
  readonly sizeBytes: number;
  /** Whom its program runs as: a number, or the name that the image has. Absent: root. */
  readonly user?: { readonly uid: number } | { readonly name: string };
}

/** What a registry is shown. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** What a pull may use. */
export interface PullOptions {
  /** Of the pod. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Tried in turn, before none at all. */
  readonly credentials?: readonly RegistryCredentials[];
  readonly signal?: AbortSignal;
}

/** The sandboxes of a node; see the laws above. */
export interface SandboxService {
  run(config: SandboxConfig): Promise<Sandbox>;
  stop(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  list(): Promise<readonly Sandbox[]>;
  /**
   * Gives a pod as a whole other limits, in force once it resolves; what is not named has none. Rejects with `notFound` for a sandbox that takes no containers, and
   * with `failed` for limits that its containers are beyond already. Absent where a pod has none as a whole. Source: CRI `UpdatePodSandboxResources`.
   */
  update?(id: string, resources: ContainerResources): Promise<void>;
}

/** The containers of a node; see the laws above. */
export interface ContainerService {
  /** Makes a container and returns its id. */
  create(sandboxId: string, config: ContainerConfig): Promise<string>;
  start(id: string): Promise<void>;
  stop(id: string, options: { readonly graceMs: number }): Promise<void>;
  remove(id: string): Promise<void>;
  /**
   * Gives a container other limits, in force once it resolves: those named change, the others stay. Rejects with `unsupported` without the
   * feature `update`, and with `failed` for a container that has exited and for limits that it is beyond already.
   */
  update(id: string, resources: ContainerResources): Promise<void>;
  status(id: string): Promise<RuntimeContainer | undefined>;
  list(): Promise<readonly RuntimeContainer[]>;
  /** Stops containers where they are. Absent where nobody can without their seeing it. */
  readonly freezer?: ContainerFreezer;
}

/**
 * Stops the processes of a running container where they are, as they cannot see, and lets them go on; done again both do nothing. A stop lets it go on first. While it is frozen its
 * state is `running`, and commands in it wait or are refused. Rejects with `failed` for one that does not run, or does not stop.
 */
export interface ContainerFreezer {
  freeze(id: string): Promise<void>;
  thaw(id: string): Promise<void>;
}

/** Looking into containers. */
export interface ContainerInspection {
  /** Runs a command to its end, for probes and hooks. */
  exec(
    id: string,
    options: { readonly command: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<ExecResult>;
  /** Throws `RuntimeError` `notFound` when iteration starts for a container that is not there. */
  logs(id: string, options: LogOptions): AsyncIterable<LogLine>;
  stats(id: string): Promise<ContainerStats>;
}

/** The images of a node. */
export interface ImageService {
  /** What is there under this name, or undefined. Rejects with `invalidImage` for a name that cannot be one. */
  status(image: string): Promise<ImageInfo | undefined>;
  pull(image: string, options: PullOptions): Promise<ImageInfo>;
  list(): Promise<readonly ImageInfo[]>;
  /** Absent where images take no room that could be given back. */
  readonly removal?: ImageRemoval;
}

/** Taking images away. */
export interface ImageRemoval {
  /** Ids, as `list` has them, of those that containers or volumes are made of, ended ones and those of other nodes of the machine too. */
  inUse(): Promise<ReadonlySet<string>>;
  /** Takes an image away with all its names; resolves with the bytes that this has freed, 0 for one that is not there. */
  remove(id: string): Promise<number>;
  /** A folder of the disk that they are on. Absent, or undefined: that of the node's own images. */
  disk?(): Promise<string | undefined>;
}

/** One runtime; whoever made it closes it. */
export interface Runtime {
  readonly capabilities: RuntimeCapabilities;
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService;
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  /** Answers probes in place of the network, for containers that do not listen anywhere. */
  readonly probes?: ProbeTransport;
  /** Calls `listener` for each exit until the returned function is called. */
  onExit(listener: (container: RuntimeContainer) => void): () => void;
  /**
   * Calls `listener` with one sentence for each failure of the runtime itself that ended containers, until the returned function is called.
   * Absent where there is nothing that can fail so.
   */
  onTrouble?(listener: (message: string) => void): () => void;
  /** Kills all containers and releases everything. Nothing else may be called afterwards. */
  close(): Promise<void>;
}
