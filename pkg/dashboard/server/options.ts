/** What whoever starts the dashboard gives it. */
import type { Server } from 'node:http';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { SessionsOptions } from '../access/sessions.ts';
import type { Explain } from './explain.ts';
import type { Identity, UserApi } from './identities.ts';

/** What the server is made of. */
export interface DashboardOptions {
  /** Name of the cluster, for the page. */
  readonly cluster: string;
  /** Folder with `index.html` and what it loads. */
  readonly assets: string;
  /** 0: any that is free. Or a server that listens already (`listen.ts`), which becomes the dashboard's. */
  readonly port: number | Server;
  readonly clock: Clock;
  readonly log: Logger;
  /** A new connection with the kubeconfig's own credentials. */
  readonly connectLocal: () => Promise<UserApi>;
  /** A new connection with nothing but a token. */
  readonly connectWith: (token: string) => Promise<UserApi>;
  /** Says where a pod would go. */
  readonly explain: Explain;
  /** Told of each code by which one signs in with the kubeconfig's credentials. */
  readonly onCode: (code: string) => void;
  /** How long sessions last. */
  readonly sessionLimits?: Pick<SessionsOptions<Identity>, 'idleMs' | 'lastsMs'>;
}
