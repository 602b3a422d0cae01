/** `coxswain.dev/static`: serves the files of `ROOT` (`/usr/share/static`) over HTTP on `PORT` (8080). */
import { readFile, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import type { Program, ProgramContext } from '../program.ts';
import { portOf, reply, serveHttp, urlOf } from './serve.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain',
};

export const program: Program = {
  main(context) {
    const root = context.env.ROOT ?? '/usr/share/static';
    return serveHttp(context, portOf(context, 'PORT', 8080), (request, response) => {
      // Joined with `/` first: encoded `..` does not lead out of the root.
      const path = join('/', decodeURIComponent(urlOf(request).pathname));
      void serveFile(context, join(root, path), response);
    });
  },
};

async function serveFile(context: ProgramContext, path: string, response: ServerResponse): Promise<void> {
  let file = context.resolve(path);
  try {
    if ((await stat(file)).isDirectory()) file = join(file, 'index.html');
    const contents = await readFile(file);
    response
      .writeHead(200, { 'content-type': contentTypes[extname(file)] ?? 'application/octet-stream' })
      .end(contents);
  } catch {
    reply(response, 404, `${path} not found\n`);
  }
}
