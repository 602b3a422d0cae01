/** The stand-ins of `coxswain envtest`, started as controller-runtime's envtest starts its binaries: its flags, files and health checks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { coxswainMain } from './machine.ts';
import { eventually, freePort, run } from './running-cluster.ts';

/** A child, and what it has written. */
interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  output(): string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export class StandIns {
  readonly folder = mkdtempSync(join(tmpdir(), 'coxswain-envtest-'));
  readonly assets = join(this.folder, 'bin');
  readonly #user: CertificatePair;
  #etcd: Started | undefined;
  #server: Started | undefined;
  #etcdPort = 0;
  #port = 0;

  private constructor() {
    const certs = join(this.folder, 'certs');
    mkdirSync(certs);
    const span = { nowMs: Date.now(), validDays: 2 };
    const authority = issueAuthority({ ...span, subject: { commonName: 'envtest-environment' } });
    writeFileSync(join(certs, 'client-cert-auth-ca.crt'), authority.certificate);
    const subject = { commonName: 'admin', organizations: ['system:masters'] };
    this.#user = issueLeaf(authority, { ...span, subject, usage: 'client' });
    writeFileSync(join(certs, 'admin.crt'), this.#user.certificate);
    writeFileSync(join(certs, 'admin.key'), this.#user.key);
    const signer = issueAuthority({ ...span, subject: { commonName: 'envtest-environment' } });
    writeFileSync(join(certs, 'sa-signer.crt'), signer.certificate);
    writeFileSync(join(certs, 'sa-signer.key'), signer.key);
  }

  /** Makes the folder that `KUBEBUILDER_ASSETS` would name; starts nothing. */
  static async prepare(): Promise<StandIns> {
    const standIns = new StandIns();
    const made = await run(process.execPath, [coxswainMain, 'envtest', '--dir', standIns.assets]);
    if (made.code === 0 && made.stdout === `${standIns.assets}\n`) return standIns;
    throw new Error(`Cannot make the stand-ins: ${made.stdout}${made.stderr}`);
  }

  async startEtcd(dataDir = 'data'): Promise<void> {
    this.#etcdPort ||= await freePort();
    const url = `http://127.0.0.1:${this.#etcdPort}`;
    this.#etcd = this.#start('etcd', [
      `--advertise-client-urls=${url}`,
      `--data-dir=${join(this.folder, dataDir)}`,
      `--listen-client-urls=${url}`,
      `--listen-peer-urls=http://127.0.0.1:${await freePort()}`,
      '--unsafe-no-fsync=true',
    ]);
    await this.#healthy(this.#etcd, () => this.askEtcd('/health'));
  }

  async startServer(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#port ||= await freePort();
    const certs = join(this.folder, 'certs');
    const args = [
      '--allow-privileged=true',
      '--authorization-mode=RBAC',
      '--bind-address=127.0.0.1',
      `--cert-dir=${certs}`,
      `--client-ca-file=${join(certs, 'client-cert-auth-ca.crt')}`,
      '--disable-admission-plugins=ServiceAccount',
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      `--secure-port=${this.#port}`,
      `--service-account-issuer=https://127.0.0.1:${this.#port}/`,
      `--service-account-key-file=${join(certs, 'sa-signer.crt')}`,
      `--service-account-signing-key-file=${join(certs, 'sa-signer.key')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
    ];
    this.#server = this.#start('kube-apiserver', args, environment);
    await this.#healthy(this.#server, () => this.ask('GET', '/healthz'));
  }

  /** Resolves to the exit code, or the signal that ended it. */
  stop(name: 'etcd' | 'server', signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const started = name === 'etcd' ? this.#etcd : this.#server;
    started?.child.kill(signal);
    return started?.ended ?? Promise.resolve(0);
  }

  /** How the server has ended by itself. */
  serverEnded(): Promise<number | string> {
    return this.#server?.ended ?? Promise.resolve(0);
  }

  /** All that the server has said. */
  serverOutput(): string {
    return this.#server?.output() ?? '';
  }

  askEtcd(path: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      get(`http://127.0.0.1:${this.#etcdPort}${path}`, { agent: false }, (answer) => {
        let body = '';
        answer.on('data', (chunk) => {
          body += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      }).on('error', reject);
    });
  }

  /** As the administrator that envtest makes. */
  ask(method: string, path: string, body?: object): Promise<Answer> {
    const agent = new Agent({ rejectUnauthorized: false, cert: this.#user.certificate, key: this.#user.key });
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', connection: 'close' };
      const asked = request(`https://127.0.0.1:${this.#port}${path}`, { method, agent, headers }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** kubectl's stand-in, with the flags that jenvtest gives it. */
  async kubectl(args: readonly string[]): Promise<string> {
    const certs = join(this.folder, 'certs');
    const connection = [
      `--client-certificate=${join(certs, 'admin.crt')}`,
      `--client-key=${join(certs, 'admin.key')}`,
      `--certificate-authority=${join(certs, 'apiserver.crt')}`,
      `--server=https://127.0.0.1:${this.#port}`,
      '--request-timeout=5s',
    ];
    const env = { KUBECONFIG: join(this.folder, 'none') };
    const result = await run(join(this.assets, 'kubectl'), [...connection, ...args], { env });
    if (result.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  async remove(): Promise<void> {
    await Promise.all([this.stop('server', 'SIGKILL'), this.stop('etcd', 'SIGKILL')]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #start(name: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Started {
    const env = { ...process.env, ...environment };
    const child = spawn(join(this.assets, name), args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        text += chunk;
      });
    const ended = new Promise<number | string>((resolve) => {
      child.once('close', (code, signal) => resolve(signal ?? code ?? 0));
    });
    return { child, ended, output: () => text };
  }

  async #healthy(started: Started, ask: () => Promise<Answer>): Promise<void> {
    let end: number | string | undefined;
    void started.ended.then((code) => {
      end = code;
    });
    const status = (): Promise<number> =>
      ask().then(
        (answer) => answer.status,
        () => 0,
      );
    await eventually(
      async () => ({ status: await status(), end }),
      (now) => now.status === 200 || now.end !== undefined,
    );
    if (end !== undefined) throw new Error(`It has ended with ${end}: ${started.output()}`);
  }
}
