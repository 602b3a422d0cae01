/**
 * What a sandbox and a container are to be: the kubelet's whole wish, in the terms of the Container Runtime Interface, so that a runtime needs
 * nothing of Kubernetes. Absent always means the runtime's own default. A runtime that has not the feature which a field asks for
 * (`requirements.ts` says which) is never given that field: the pod is failed before.
 *
 * Source: `k8s.io/cri-api` `runtime/v1` `PodSandboxConfig`, `ContainerConfig`, `LinuxContainerResources`, `LinuxContainerSecurityContext`.
 */

/** Whose namespace a pod has: one of its own, the node's, or, for processes, one for each container. */
export interface NamespaceModes {
  readonly network: 'node' | 'pod';
  readonly pid: 'container' | 'node' | 'pod';
  readonly ipc: 'node' | 'pod';
  /** `pod`: user ids of the pod are others outside of it. */
  readonly user: 'node' | 'pod';
}

/** What stands in `/etc/resolv.conf`. */
export interface DnsConfig {
  readonly servers: readonly string[];
  /** By address, for runtimes that need not keep to the file: where servers answer besides port 53, which may need rights that nobody has. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** How sure a pod may be of what it asks for. */
export type QosClass = 'besteffort' | 'burstable' | 'guaranteed';

/** What a sandbox is to be. */
export interface SandboxConfig {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** Counts the sandboxes of a pod, from 0. */
  readonly attempt: number;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly namespaces: NamespaceModes;
  /** By name, such as `net.core.somaxconn`. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Absent: as the node resolves names. */
  readonly dns?: DnsConfig;
  /** A container of it will be privileged. */
  readonly hasPrivileged?: true;
  /** Which of several ways of its own the runtime is to run it by; absent for its default. Source: CRI `RunPodSandboxRequest.runtime_handler`. */
  readonly runtimeHandler?: string;
  /** By which runtimes that keep limits group pods; absent where they are not to. Source: kubelet `PodQOSClass`. */
  readonly qosClass?: QosClass;
  /** What its containers may use together, and the weight of all against other pods. Source: CRI `LinuxPodSandboxConfig.resources`. */
  readonly resources?: ContainerResources;
}

/** Whether mounts made later are seen on the other side. */
export type MountPropagation = 'bidirectional' | 'hostToContainer' | 'private';

/** A path of the machine in the container. */
export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  /** The root of an image in place of a path of the machine, which is `''` then; of it the part at `subPath`. Read-only, and without programs that run. */
  readonly image?: { readonly id: string; readonly subPath: string };
  readonly readOnly: boolean;
  /** Read-only with all that is mounted below it. Only with `readOnly`. */
  readonly recursiveReadOnly?: boolean;
  /** Default `private`. */
  readonly propagation?: MountPropagation;
}

/** A device of the machine in the container. */
export interface Device {
  readonly containerPath: string;
  readonly hostPath: string;
  /** Of `r`, `w` and `m`. */
  readonly permissions: string;
}

/** What a container may use at most, and its weight against others. All of it may be changed while it runs (`ContainerService.update`). */
export interface ContainerResources {
  /** Weight of cgroup v1, 2 to 262,144; a runtime on v2 converts it. */
  readonly cpuShares?: number;
  /** Processor time within each period. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  /** Of memory and swap together. */
  readonly memorySwapLimitBytes?: number;
  /** Processes and threads. */
  readonly pidsMax?: number;
  /** Bytes by page size, such as `2Mi`. */
  readonly hugepageLimits?: Readonly<Record<string, number>>;
  /** Such as `0-2,7`. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** -1000 (never) to 1000: who is ended first when the node runs out of memory. */
  readonly oomScoreAdjustment?: number;
}

/** A security profile: the runtime's default, none at all, or a file or a name on the node. */
export type SecurityProfile =
  | { readonly type: 'runtimeDefault' }
  | { readonly type: 'unconfined' }
  | { readonly type: 'localhost'; readonly reference: string };

/** The parts of an SELinux label. */
export interface SelinuxOptions {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

/** As whom the program runs, and what it may. */
export interface SecurityContext {
  /** Absent: the image's user. */
  readonly runAsUser?: number;
  /** In place of the image's, `user[:group]` in names or numbers: of callers that are no kubelets, for the runtime `container` alone. */
  readonly imageUser?: string;
  readonly runAsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  /** Whether the image's groups of the user come in addition. Default `merge`. */
  readonly supplementalGroupsPolicy?: 'merge' | 'strict';
  /** Names without `CAP_`; `ALL` stands for all. */
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  /** All capabilities, all devices, no profiles. */
  readonly privileged?: boolean;
  readonly readOnlyRoot?: boolean;
  /** Programs get no more rights than their parents. */
  readonly noNewPrivileges?: boolean;
  readonly seccomp?: SecurityProfile;
  readonly appArmor?: SecurityProfile;
  readonly selinux?: SelinuxOptions;
  /** Nothing of `/proc` is hidden or read-only. */
  readonly isProcUnmasked?: boolean;
}

/** What a container is to be. */
export interface ContainerConfig {
  readonly name: string;
  /** Counts the containers of this name in a pod, from 0: its restart count. */
  readonly attempt: number;
  /** As the pod has it. */
  readonly image: string;
  /** Identity of the image, as `ImageInfo.id`. */
  readonly imageRef: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of the pod, for runtimes whose containers share the node's network: programs listen on the first. */
  readonly addresses: readonly string[];
  /** TCP ports that the pod names for it, for runtimes that relay them. */
  readonly ports?: readonly number[];
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  /** Devices by their qualified names in the Container Device Interface, such as `example.com/card=first`. Default: none. */
  readonly cdiDevices?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly resources: ContainerResources;
  readonly security: SecurityContext;
  /** A running container of the sandbox whose processes it sees as its own, where each has its own otherwise. Source: CRI `NamespaceMode` `TARGET`. */
  readonly targetContainerId?: string;
  /** Its input stays open for whoever attaches. */
  readonly stdin?: boolean;
  /** The input ends with the first who attaches. */
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  /** Asks it to end; default that of the image, else `SIGTERM`. */
  readonly stopSignal?: string;
  /** Where the program may leave a last message; default `/dev/termination-log`. */
  readonly terminationMessagePath: string;
  /** What the container was made from, so that a change of it is seen. */
  readonly specHash: string;
}
