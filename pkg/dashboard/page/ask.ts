/** Requests to the page's server, with refusals as errors that say what it says. */
import type { Problem } from '../model/protocol.ts';

/** A refusal. */
export class AskError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.status = status;
    this.problem = problem;
  }
}

let onSignedOut = (_reason: string): void => {};

/** Says what is to happen when the session has ended. */
export function whenSignedOut(listener: (reason: string) => void): void {
  onSignedOut = listener;
}

/** Asks for what is at `path`, and sends `body` where there is one. */
export async function ask<T>(method: 'DELETE' | 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<T> {
  const sent =
    body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(path, { method, credentials: 'same-origin', ...sent });
  const value: unknown = await response.json().catch(() => ({ message: `the server answered ${response.status}` }));
  if (response.ok) return value as T;
  const problem = value as Problem;
  if (response.status === 401 && path !== '/api/session') onSignedOut('The session has ended: sign in again.');
  throw new AskError(response.status, problem);
}
