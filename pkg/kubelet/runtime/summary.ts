/** How a runtime's own records of sandboxes and containers look to the kubelet: one piece of code for every runtime of this process. */
import type { ContainerConfig, ContainerResources, SandboxConfig } from './container-config.ts';
import type { ContainerRunState, RuntimeContainer, Sandbox } from './runtime.ts';

/** What a runtime keeps of a sandbox. */
export interface SandboxRecord {
  readonly id: string;
  readonly config: SandboxConfig;
  readonly createdAtMs: number;
  readonly ready: boolean;
}

/** What a runtime keeps of a container. */
export interface ContainerRecord {
  readonly id: string;
  readonly sandbox: Pick<SandboxRecord, 'config' | 'id'>;
  readonly config: ContainerConfig;
  /** In force, where they have been changed. */
  readonly resources?: ContainerResources | undefined;
  readonly createdAtMs: number;
  readonly startedAtMs: number | undefined;
  /** Undefined until it has exited. */
  readonly end: ContainerEnd | undefined;
}

/** How a container ended. */
export interface ContainerEnd {
  readonly atMs: number;
  readonly exitCode: number;
  /** Default: `Completed` for exit code 0, else `Error`. */
  readonly reason?: string | undefined;
  /** The termination message, if it left one. */
  readonly message?: string | undefined;
}

/** Where a container is in its life. */
export function runStateOf({ startedAtMs, end }: Pick<ContainerRecord, 'end' | 'startedAtMs'>): ContainerRunState {
  if (end !== undefined) return 'exited';
  return startedAtMs === undefined ? 'created' : 'running';
}

/** A snapshot of a container. */
export function containerSummary(record: ContainerRecord): RuntimeContainer {
  const { config, sandbox, startedAtMs, end } = record;
  return {
    id: record.id,
    sandboxId: sandbox.id,
    podUid: sandbox.config.podUid,
    name: config.name,
    attempt: config.attempt,
    image: config.image,
    imageRef: config.imageRef,
    specHash: config.specHash,
    resources: record.resources ?? config.resources,
    state: runStateOf(record),
    createdAtMs: record.createdAtMs,
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(end === undefined ? {} : endSummary(end)),
  };
}

function endSummary({ atMs, exitCode, reason, message }: ContainerEnd): Partial<RuntimeContainer> {
  return {
    finishedAtMs: atMs,
    exitCode,
    reason: reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === undefined || message === '' ? {} : { message }),
  };
}

/** A snapshot of a sandbox. */
export function sandboxSummary({ id, config, createdAtMs, ready }: SandboxRecord): Sandbox {
  return { id, config, state: ready ? 'ready' : 'notReady', createdAtMs };
}
