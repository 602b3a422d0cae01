/**
 * Pipelines and their runs: kinds of this project, in the group `ci.coxswain.dev`. A Pipeline says what happens to a commit; a PipelineRun is that
 * happening to one commit, once. The definitions that the server keeps them by are `crds.ts`.
 */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** A program over the sources of the commit. */
export interface RunStep {
  /** `workspace:PATH` for a module of the commit, or any image that the nodes have. */
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/** Makes an image of a folder of the commit: the same contents give the same digest. Either `entry` or `dockerfile` says what kind of image. */
export interface BuildStep {
  /** Name of the image, such as `shop`. */
  readonly image: string;
  /** Folder of the commit. Default: all of it. */
  readonly context?: string;
  /** The program of an image that is a module on the disk: a file in that folder. */
  readonly entry?: string;
  /** A file in that folder by which `coxswain image build` makes an image for real containers. */
  readonly dockerfile?: string;
  /** Of images of a Dockerfile: a registry that the image is published to, such as `localhost:5000`. Default: it is among those of the nodes alone. */
  readonly registry?: string;
}

/** A number that the pods of the new version say, and what it may be at most. */
export interface MetricRule {
  readonly port: number;
  /** Default `/metrics`. */
  readonly path?: string;
  /** Name of the metric; the samples of all pods and labels are added. */
  readonly name: string;
  /** Only samples with these labels are. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The sum is divided by that of this metric: a share, such as that of failed requests. */
  readonly per?: string;
  readonly max: number;
}

/** Gives a Deployment the image of a build, looks at it for a while, and takes it back where it is not well. */
export interface DeployStep {
  /** The step that built it. */
  readonly from: string;
  readonly namespace: string;
  readonly deployment: string;
  readonly container: string;
  /** `Manual`: waits until the step is among the run's `approved`. Default `Automatic`. */
  readonly approval?: 'Automatic' | 'Manual';
  /** Longest wait for that; then the run fails. Default: a day. */
  readonly approvalTimeoutSeconds?: number;
  /** How long the new version is looked at once it has replaced the old one. Default 0. */
  readonly watchSeconds?: number;
  readonly metric?: MetricRule;
}

/** A step; exactly one of `run`, `build` and `deploy` says what it does. */
export interface StepSpec {
  readonly name: string;
  /** Steps that have to succeed before. */
  readonly after?: readonly string[];
  /** From its start to its end, approval aside. Default 600. */
  readonly timeoutSeconds?: number;
  readonly run?: RunStep;
  readonly build?: BuildStep;
  readonly deploy?: DeployStep;
}

/** What happens to which commits. */
export interface Pipeline extends KubeObject {
  readonly spec: {
    /** Name of the repository in the pipeline's namespace, which is made with the first pipeline that names it. */
    readonly repository: string;
    /** Branches and tags whose pushes are run; `*` stands for any part of a name. */
    readonly branches?: readonly string[];
    readonly tags?: readonly string[];
    /** In whose name it deploys. Default `default`. */
    readonly serviceAccountName?: string;
    /** Is told of every phase of a run. */
    readonly webhook?: string;
    /** Runs that ended and are kept. Default 10. */
    readonly keep?: number;
    readonly steps: readonly StepSpec[];
  };
}

/** Where a step is. The last five are final. */
export type StepPhase =
  | 'Pending'
  | 'Approval'
  | 'Running'
  | 'Succeeded'
  | 'Failed'
  | 'RolledBack'
  | 'Cancelled'
  | 'Skipped';

/** What was found about a step that is about to end: its end, once what it holds is let go. */
export interface Verdict {
  readonly phase: 'Succeeded' | 'Failed' | 'Cancelled';
  readonly reason: string;
  readonly message?: string;
}

/** What is known of a step. Times are RFC 3339 in UTC. */
export interface StepStatus {
  readonly name: string;
  readonly phase: StepPhase;
  readonly reason?: string;
  readonly message?: string;
  /** Since when approval is waited for. */
  readonly approvalTime?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
  /** The pod whose logs are the step's. */
  readonly podName?: string;
  /** What a build made; what a deploy step put in place. */
  readonly image?: string;
  /** Deploy: since when the new version is in place everywhere. */
  readonly rolledOutTime?: string;
  /** Deploy: what was found, while the Deployment is still held. */
  readonly verdict?: Verdict;
}

/** Where a run is. The last four are final. */
export type RunPhase = 'Pending' | 'Approval' | 'Running' | 'Succeeded' | 'Failed' | 'RolledBack' | 'Cancelled';

/** What is known of a run. */
export interface RunStatus {
  readonly phase: RunPhase;
  readonly reason?: string;
  readonly message?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly steps: readonly StepStatus[];
  /** The last phase that the webhook was told. */
  readonly notified?: RunPhase;
}

/** One commit on its way. All but `approved` and `cancelled` stays as it was made. */
export interface PipelineRun extends KubeObject {
  readonly spec: {
    readonly pipeline: string;
    readonly repository: string;
    /** Such as `refs/heads/main`. */
    readonly ref: string;
    readonly commit: string;
    /** Position of the push among those of the pipeline: no Deployment goes back to an earlier one but by a rollback. */
    readonly sequence: number;
    /** As the commit says it. */
    readonly author?: string;
    readonly serviceAccountName?: string;
    readonly webhook?: string;
    readonly steps: readonly StepSpec[];
    /** Deploy steps that somebody allows. */
    readonly approved?: readonly string[];
    readonly cancelled?: boolean;
  };
  readonly status?: RunStatus;
}

const group = 'ci.coxswain.dev';
const version = 'v1alpha1';

/** Names the resource and its type. */
export const pipelines: ResourceRef<Pipeline> = {
  group,
  version,
  resource: 'pipelines',
  kind: 'Pipeline',
  namespaced: true,
};

/** Names the resource and its type. */
export const pipelineRuns: ResourceRef<PipelineRun> = {
  group,
  version,
  resource: 'pipelineruns',
  kind: 'PipelineRun',
  namespaced: true,
};
