/** A stand-in for the images of web servers: answers at port 80 with what is in the folder of httpd's pages, or in no file as nautilus does. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { serveOn } from './agnhost-network.ts';

const pages = '/usr/local/apache2/htdocs';
const page = '<html><body><h1>It works!</h1></body></html>\n';

export const program: Program = {
  async main(context) {
    const folder = context.resolve(pages);
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/index.html`, page);
    serveOn(context, 80, async ({ url: { pathname } }) => {
      if (pathname === '/data.json') return { status: 200, body: JSON.stringify({ image: 'nautilus.jpg' }) };
      const file = context.resolve(`${pages}${pathname.endsWith('/') ? `${pathname}index.html` : pathname}`);
      return readFile(file, 'utf8').then(
        (body) => ({ status: 200, body }),
        () => ({ status: 404, body: 'Not Found\n' }),
      );
    });
    return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve(0), { once: true }));
  },
};
