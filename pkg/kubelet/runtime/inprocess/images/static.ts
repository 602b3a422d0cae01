/**
 * `coxswain.dev/static`: serves the files of `ROOT` (`/usr/share/static`) over HTTP on `PORT` (8080). Where nobody has mounted a root, `/` is a page that
 * says so, as web servers' images have one: probes of a chart that puts no files there succeed.
 */
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

/** The image's program. */
export const program: Program = {
  main(context) {
    const root = context.env.ROOT ?? '/usr/share/static';
    return serveHttp(context, portOf(context, 'PORT', 8080), (request, response) => {
      // Joined with `/` first: encoded `..` does not lead out of the root.
      const path = join('/', decodeURIComponent(urlOf(request).pathname));
      void isWelcome(context, path, root).then((welcomes) =>
        welcomes ? reply(response, 200, welcome, 'text/html') : serveFile(context, join(root, path), response),
      );
    });
  },
};

const welcome = `<!doctype html><meta charset="utf-8"><title>Welcome</title><h1>It works</h1>
<p>Mount a volume at <code>/usr/share/static</code> and its files are served here.</p>\n`;

/** Whether the path is that of the first page, in a container without a root. */
async function isWelcome(context: ProgramContext, path: string, root: string): Promise<boolean> {
  if (path !== '/' && path !== '/index.html') return false;
  return stat(context.resolve(root)).then(
    () => false,
    () => true,
  );
}

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
